//! Text to syntax tree, by a parser that is kept from what it can't bear.
//!
//! The parser recurses without bound, takes time that doubles with every `case` in a `case` and every `((` in a `((`, and
//! panics on a descriptor of more digits than fit. So depth is counted before it runs, on an estimate that is never too low.

use std::borrow::Cow;

use brush_parser::{ParserOptions, Token, ast::Program, parse_tokens, uncached_tokenize_str};

use super::MAX_COMMAND_BYTES;

/// How deep commands may lie in one another.
const MAX_DEPTH: usize = 64;

/// How deep `case` may lie in `case`: each level doubles the parser's time.
const MAX_CASES: usize = 6;

/// A text of so few bytes can't be so deep that it needs more than [`ROOM_BYTES`].
const SHORT: usize = 128;

/// Room on the stack for the deepest tree of a short text.
const ROOM_BYTES: usize = 1 << 20;

/// How deep `((` may lie in one another: where it isn't a calculation, each is tried as one and then as two parentheses.
const MAX_PAIRS: usize = 4;

/// The most signs of nesting inside words: the tokenizer goes down with each.
const MAX_SUBSTITUTIONS: usize = 256;

/// Room for the deepest tree that passes.
const STACK_BYTES: usize = 32 << 20;

/// Why there is no tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unparsed {
    /// It is longer or deeper than what is judged.
    TooComplex(&'static str),
    /// It isn't the shell's language, or not the part of it that is understood; in words a person understands.
    Syntax(String),
}

/// Parses a script.
pub(super) fn parse(text: &str) -> Result<Program, Unparsed> {
    if text.len() > MAX_COMMAND_BYTES {
        return Err(Unparsed::TooComplex("it is too long"));
    }
    if text.contains('\0') {
        return Err(Unparsed::Syntax("a NUL character".to_owned()));
    }
    // The tokenizer takes such a name of a here-document's end for none, and looks for it without end.
    let odd = |c: char| c.is_whitespace() && !matches!(c, ' ' | '\t');
    if text.split('\n').any(|line| line.contains("<<") && line.contains(odd)) {
        return Err(Unparsed::Syntax(
            "a here-document beside a blank that isn't one to every shell".to_owned(),
        ));
    }
    if text.len() <= SHORT {
        return stacker::maybe_grow(ROOM_BYTES, STACK_BYTES, || tree(text));
    }
    let inside = text.matches("$(").count() + text.matches("${").count() + text.matches("$[").count();
    if inside + text.matches('`').count() > MAX_SUBSTITUTIONS {
        return Err(Unparsed::TooComplex("too much is filled in"));
    }
    stacker::grow(STACK_BYTES, || tree(text))
}

/// The text with a line more for each here-document. What ends one that is named by nothing is an empty line, and at the end
/// of the text the tokenizer looks for it without end.
fn padded(text: &str) -> Result<Cow<'_, str>, Unparsed> {
    match text.matches("<<").count() {
        0 => Ok(Cow::from(text)),
        // The line after it would be taken for a part of this one.
        _ if text.ends_with('\\') => Err(Unparsed::Syntax("a backslash at the end".to_owned())),
        count => Ok(Cow::from(text.to_owned() + &"\n".repeat(count + 2))),
    }
}

/// Whether every here-document's end is named by a plain word. In a substitution the tokenizer takes a second blank for the
/// word, and in a word that is filled in what is within; it would then take commands for a document.
fn documents_are_plain(tokens: &[Token], text: &str) -> bool {
    if !text.contains("<<") {
        return true;
    }
    let mut tokens = tokens.iter();
    let mut chars = text.char_indices().enumerate();
    while let Some(token) = tokens.next() {
        match token {
            Token::Operator(operator, span) if operator == "<<" || operator == "<<-" => {
                // In the text too, the word must follow.
                let after =
                    chars.find(|(count, _)| *count == span.end.index).map_or("", |(_, (at, _))| &text[at..]);
                let after = after.trim_start_matches([' ', '\t']);
                let follows = |tag: &str| {
                    after.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest.starts_with(TAG_ENDS))
                };
                let is_plain = |tag: &str| plain_tag(tag) == Some(tag.len()) && follows(tag);
                let Some(tag) = tokens.next().map(Token::to_str).filter(|tag| is_plain(tag)) else {
                    return false;
                };
                // The document and its end.
                let document = tokens.next().map(Token::to_str).unwrap_or_default();
                tokens.next();
                // A line that goes on may make up the end of two.
                let quoted = tag.contains(['\'', '"', '\\']);
                let is_end = |line: &str| line.trim_start_matches('\t') == tag;
                if !quoted
                    && document.contains("\\\n")
                    && document.replace("\\\n", "").split('\n').any(is_end)
                {
                    return false;
                }
            }
            Token::Operator(..) => {}
            Token::Word(word, _) if !word.contains("<<") => {}
            Token::Word(word, _) => {
                // In a calculation they shift.
                let others = word.replace("$((", "").replace("<<(", "");
                let opens = |openings: &[&str]| openings.iter().any(|opens| others.contains(opens));
                let calculates = others.len() < word.len() && !opens(&["$(", "`", "<(", ">("]);
                let nested = !calculates && opens(&["$(", "${", "$[", "`", "<(", ">("]);
                if nested && !inner_documents_are_plain(word) {
                    return false;
                }
            }
        }
    }
    true
}

/// The same of the text of a word, wherever in it two signs stand.
fn inner_documents_are_plain(word: &str) -> bool {
    let mut rest = word;
    while let Some(at) = rest.find("<<") {
        let signs = rest[at..].bytes().take_while(|byte| *byte == b'<').count();
        rest = &rest[at + signs..];
        // Three are a here-string; more no shell takes.
        if signs != 2 {
            continue;
        }
        let name = rest.strip_prefix('-').unwrap_or(rest);
        let name = name.strip_prefix([' ', '\t']).unwrap_or(name);
        let Some(end) = plain_tag(name) else { return false };
        // In a substitution bash ends a document where a line begins with its end and closes it too; and within
        // back quotes lines are joined before anything else.
        let tag: String = name[..end].chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
        let closes = |line: &str| {
            let after = line.trim_start_matches('\t').strip_prefix(tag.as_str());
            after.is_some_and(|after| !after.is_empty() && after.contains(')'))
        };
        if name.lines().skip(1).any(closes) || (word.contains('`') && name.contains("\\\n")) {
            return false;
        }
        if !(name.len() == end
            || name[end..].starts_with(TAG_ENDS)
            || name[end..].starts_with(['`', '"', '}', ']']))
        {
            return false;
        }
    }
    true
}

/// What a word ends before.
const TAG_ENDS: [char; 9] = [' ', '\t', '\n', ';', '|', '&', '<', '>', ')'];

/// How long the plain word is that the text begins with: letters, digits and what nothing is made of, quoted or not.
fn plain_tag(text: &str) -> Option<usize> {
    let mut rest = text;
    let mut named = false;
    loop {
        let piece = match rest.bytes().next() {
            Some(quote @ (b'\'' | b'"')) => {
                let inside = &rest[1..];
                let length = inside.find(char::from(quote))?;
                let odd = ['\n', '$', '`', '\\', '"', '\''];
                if inside[..length].contains(odd) {
                    return None;
                }
                named |= length > 0;
                length + 2
            }
            Some(b'\\') => {
                rest.as_bytes().get(1).filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')?;
                named = true;
                2
            }
            Some(byte) if byte.is_ascii_alphanumeric() || b"_.,:@%+/^~=?*!-".contains(&byte) => {
                named = true;
                1
            }
            _ => break,
        };
        rest = &rest[piece..];
    }
    named.then_some(text.len() - rest.len())
}

/// What the parser makes of the text. It is kept from what it is known to panic on; should it panic on more, that is a text
/// that can't be parsed.
fn tree(text: &str) -> Result<Program, Unparsed> {
    let parsed = std::panic::catch_unwind(|| parsed(text));
    parsed.unwrap_or_else(|_| Err(Unparsed::Syntax("the parser gave it up".to_owned())))
}

fn parsed(text: &str) -> Result<Program, Unparsed> {
    let options = ParserOptions::default();
    let syntax = |error: &dyn std::fmt::Display| Unparsed::Syntax(error.to_string().to_lowercase());
    let tokens = uncached_tokenize_str(&padded(text)?, &options.tokenizer_options())
        .map_err(|error| syntax(&error))?;
    if !documents_are_plain(&tokens, text) {
        return Err(Unparsed::Syntax("the end of a here-document isn't named by a plain word".to_owned()));
    }
    check(&tokens)?;
    if is_ambiguous(&tokens) {
        return Err(Unparsed::Syntax("parentheses in parentheses".to_owned()));
    }
    parse_tokens(&tokens, &options).map_err(|error| syntax(&error))
}

/// Whether parentheses stand so that the parser takes a subshell in a subshell for a calculation: it doesn't see the blanks
/// between them.
fn is_ambiguous(tokens: &[Token]) -> bool {
    let pairs = |parenthesis: &str| {
        let both = tokens.windows(2).filter(|pair| {
            pair.iter().all(|token| matches!(token, Token::Operator(operator, _) if operator == parenthesis))
        });
        let apart = |pair: &&[Token]| pair[0].location().end.index != pair[1].location().start.index;
        let (mut any, mut blank) = (false, false);
        for pair in both {
            any = true;
            blank |= apart(&pair);
        }
        (any, blank)
    };
    let (opens, apart) = pairs("(");
    opens && (apart || pairs(")").1)
}

/// Counts how deep the parser would go. What closes is only believed where it can't be a mere word.
fn check(tokens: &[Token]) -> Result<(), Unparsed> {
    let mut open: Vec<&str> = Vec::new();
    let (mut cases, mut prefixes, mut pairs) = (0, 0, 0);
    let mut before: Option<&Token> = None;
    for (at, token) in tokens.iter().enumerate() {
        let text = token.to_str();
        let starts = match before {
            None => true,
            Some(Token::Operator(..)) => true,
            Some(Token::Word(word, _)) => {
                matches!(word.as_str(), "fi" | "done" | "esac" | "}" | "then" | "else" | "do" | "]]" | ")")
            }
        };
        match token {
            Token::Operator(operator, _) => match operator.as_str() {
                "(" => {
                    let pair = before.is_some_and(
                        |before| matches!(before, Token::Operator(operator, _) if operator == "("),
                    );
                    open.push(if pair { "((" } else { "(" });
                    pairs += usize::from(pair);
                }
                ")" if open.last() == Some(&"(") => {
                    open.pop();
                }
                ")" if open.last() == Some(&"((") => {
                    open.pop();
                    pairs -= 1;
                }
                _ => {}
            },
            Token::Word(word, _) => {
                let closes = |opener: &str| starts && open.last() == Some(&opener);
                match word.as_str() {
                    "{" | "if" | "while" | "until" | "for" | "select" => open.push(text),
                    "case" => {
                        cases += 1;
                        open.push(text);
                    }
                    "!" | "coproc" | "function" => prefixes += 1,
                    "}" if closes("{") => drop(open.pop()),
                    "fi" if closes("if") => drop(open.pop()),
                    "done" if ["while", "until", "for", "select"].iter().any(|opener| closes(opener)) => {
                        open.pop();
                    }
                    "esac" if closes("case") => {
                        cases -= 1;
                        open.pop();
                    }
                    digits
                        if digits.len() > 4
                            && digits.bytes().all(|byte| byte.is_ascii_digit())
                            && tokens
                                .get(at + 1)
                                .is_some_and(|next| next.to_str().starts_with(['<', '>'])) =>
                    {
                        return Err(Unparsed::Syntax("a descriptor of many digits".to_owned()));
                    }
                    _ => {}
                }
            }
        }
        if open.len() > MAX_DEPTH || cases > MAX_CASES || prefixes > MAX_DEPTH || pairs > MAX_PAIRS {
            return Err(Unparsed::TooComplex("it is nested too deeply"));
        }
        before = Some(token);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_here_document_that_ends_nowhere_is_no_script() {
        for text in [
            "a $(cat << )m  ",
            "a \"$(cat << ) \" x ",
            "a $(cat <<- )m ",
            "a $(cat <<\t)m ",
            "a $(cat << (b)) ",
            "a $(cat << ;b) ",
            "a $(cat << |b) ",
            "a $(cat << <b) ",
            "a ${x:-$(cat << )}  ",
            "a $(cat << '')m  ",
            "a $(cat <<\"\")m  ",
            "a $(cat << \\\n)m  ",
            "a \"$(b > <<  ",
            "$(gi <<  pDO ",
            "$(gi <<-\t pDO ",
            " \"$(plev<< $[ <f<<[[ vig ",
            "$(cat <<  E\nE\nrm -rf /\n\n)",
            "cat <<\"$[ \"\nx\n",
            "cat << $(x)\nx\n",
            "cat << ''\nx\n",
            "cat <<EOF\nEO\\\nF\ntouch a\nEOF\n",
            "cat <<EF\nEF\\\n\ntouch a\nEF\n",
            "x=$(cat <<'E'\nE)\ntouch a\nE\n)",
            "x=$(cat <<E\nE)x\ntouch a\nE\n)",
            "x=`cat <<'EF'\nE\\\nF\ntouch a\nEF\n`",
        ] {
            assert!(matches!(parse(text), Err(Unparsed::Syntax(_))), "{text:?}");
        }
        for text in [
            "cat <<E\nx\nE\n",
            "cat <<-'E'\nx\nE\n",
            "cat << \"E\"\nx\nE\n",
            "cat <<\\E\nx\nE\n",
            "cat <<< ''",
            "cat <<  E\nx\nE\n",
            "cat <<'E' > a.cpp\ncout << (x) << \"$\" <<  y;\nE\n",
            "a $(cat <<'E'\ncout << x;\nE\n)",
            "grep '<<<<<<<' a",
            "cat > Dockerfile <<EOF\nRUN a \\\n  b\nEOF\n",
            "cat <<A <<\"B C\"\nx\nA\ny\nB C\n",
            "echo $((1<<(2)))",
        ] {
            assert!(parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_the_parser_cannot_bear_is_kept_from_it() {
        let deep = |open: &str, times: usize, close: &str| {
            format!("{}ls{}", open.repeat(times), close.repeat(times))
        };
        for (open, close) in [
            ("( ", " )"),
            ("{ ", "; }"),
            ("if ", "; then :; fi"),
            ("case a in a) ", ";; esac"),
            ("while ", "; do :; done"),
            ("coproc ", ""),
            ("f() { ", "; }"),
            ("[[ ! ", ""),
            ("((", "))"),
            ("<(", ")"),
        ] {
            let text = deep(open, 300, close);
            assert!(parse(&text).is_err(), "{open}");
            let text = format!("{} {}", open.repeat(300), "ls");
            assert!(parse(&text).is_err(), "{open}");
        }
        for open in ["$(", "\"$(", "${a:-", "`", "$((", "$["] {
            for times in [10, 300, 3000] {
                // Whatever it says, it says so soon and without dying.
                let _ = parse(&format!("echo {}", open.repeat(times)));
                let _ = parse(&deep(open, times, ")"));
            }
        }
        for open in ["(", "((e", "(]", "x;("] {
            assert!(parse(&open.repeat(120 / open.len())).is_err());
            assert!(parse(&open.repeat(900)).is_err());
        }
        assert!(parse("fo<r p in 4; (((((((](((e((((((((((](((e(((((do kill").is_err());
        for odd in ["\u{c}", "\u{b}", "\r", "\u{85}", "\u{a0}", "\u{2003}"] {
            for text in ["a << @ ", "a <<- @  ", "a <<@ ", "a <<<<< @@ "] {
                assert!(parse(&text.replace('@', odd)).is_err(), "{text:?} with {odd:?}");
            }
        }
        assert!(parse("99999999999>x").is_err());
        assert!(parse("{ echo } ; ".repeat(200).as_str()).is_err());
    }

    #[test]
    fn short_texts_need_no_more_than_the_room_that_is_left_for_them() {
        let stack = ROOM_BYTES + (128 << 10);
        let deepest = || {
            for open in
                ["$(", "\"$(", "${a:-", "`", "$((", "$[", "( ", "{ ", "if ", "! ", "<(", "[[ ! ", "[[ ( "]
            {
                let text = open.repeat(SHORT / open.len());
                assert!(text.len() <= SHORT);
                let _ = parse(&text);
                let _ = parse(&format!("{}{}", &text[..text.len() / 2], ")".repeat(SHORT / 2)));
            }
        };
        std::thread::Builder::new().stack_size(stack).spawn(deepest).unwrap().join().unwrap();
    }

    #[test]
    fn what_is_not_nested_is_parsed_however_long() {
        let text = "if [ -f a ]; then (cd b && ls); fi; case x in a) ls;; esac\n".repeat(60);
        parse(&text).unwrap();
        parse("echo 'case case case case ((((((((( {{{{{{{{ if if if'").unwrap();
    }
}
