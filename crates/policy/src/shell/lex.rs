//! A script that the parser refused, skimmed for the commands that might run all the same.

use super::script::{Command, Join, Script, Word};
use crate::text::{is_invisible, shown};

/// Cuts a text into commands. Never fails: what isn't plain is noted in [`Script::problem`].
pub(crate) fn lex(text: &str) -> Script {
    let mut lexer = Lexer::new(text);
    lexer.run();
    lexer.script
}

/// The commands a shell would run to fill in a text that is otherwise taken as it stands.
fn substitutions(text: &str) -> Vec<String> {
    let mut lexer = Lexer::new(text);
    while let Some(c) = lexer.next() {
        match c {
            '\\' => {
                lexer.next();
            }
            '$' => lexer.dollar(true),
            '`' => {
                let text = lexer.until_backquote();
                lexer.script.nested.push(text);
            }
            _ => {}
        }
    }
    lexer.script.nested
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    script: Script,
    command: Command,
    word: Option<Word>,
    /// Here-documents announced on this line: the delimiter, whether tabs are cut, whether it is literal, and the
    /// index of the command that is fed.
    documents: Vec<Document>,
    /// A redirection waiting for its file: whether it writes.
    redirect: Option<Redirect>,
    /// An operator that still needs a command after it.
    dangling: Option<&'static str>,
}

struct Document {
    delimiter: String,
    cut_tabs: bool,
    literal: bool,
    command: usize,
}

#[derive(Clone, Copy)]
enum Redirect {
    File { writes: bool },
    Document { cut_tabs: bool },
    Text,
    Descriptor,
}

impl Lexer {
    fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            at: 0,
            script: Script::default(),
            command: Command::default(),
            word: None,
            documents: Vec::new(),
            redirect: None,
            dangling: None,
        }
    }

    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            self.step(c);
        }
        self.end_command(Join::Then, None);
        if let Some(operator) = self.dangling {
            self.problem(&format!("nothing follows `{operator}`"));
        }
        if !self.documents.is_empty() {
            self.problem("a here-document has no text");
        }
    }

    fn step(&mut self, c: char) {
        self.at += 1;
        match c {
            ' ' | '\t' => self.end_word(),
            '\n' => self.end_line(),
            ';' => {
                let mut times = 1;
                while self.eat(';') {
                    times += 1;
                }
                if times > 1 || self.peek(0) == Some('&') {
                    self.problem("`;;` belongs to a `case`");
                }
                self.end_command(Join::Then, Some(";"));
            }
            '&' if self.eat('&') => self.end_command(Join::And, Some("&&")),
            '&' if self.peek(0) == Some('>') => {
                self.problem("`&>` connects a file");
                self.at += 1;
                self.eat('>');
                self.end_word();
                self.redirect = Some(Redirect::File { writes: true });
            }
            '&' => {
                self.problem("`&` puts a command into the background");
                self.end_command(Join::Then, None);
            }
            '|' if self.eat('|') => self.end_command(Join::Then, Some("||")),
            '|' => {
                if self.eat('&') {
                    self.problem("`|&` isn't a plain pipe");
                }
                self.end_command(Join::Pipe, Some("|"));
            }
            '\'' => self.single_quoted(),
            '"' => self.double_quoted(),
            '\\' => {
                self.problem("`\\` quotes a single character");
                match self.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push_quoted(c),
                }
            }
            '$' => self.dollar(false),
            '`' => {
                self.problem("`` ` `` runs a command and fills its output in");
                let text = self.until_backquote();
                self.script.nested.push(text);
                self.fill_in(true);
            }
            '(' | ')' => {
                self.problem(&format!("`{c}` groups commands"));
                self.end_command(Join::Then, None);
            }
            '{' | '}' => {
                self.problem(&format!("`{c}` makes several words of one, or groups commands"));
                let alone = self.word.is_none()
                    && self.peek(0).is_none_or(|next| next.is_whitespace() || next == ';');
                if alone {
                    self.end_command(Join::Then, None);
                } else {
                    self.fill_in(false);
                    self.push(c);
                }
            }
            '<' | '>' => self.connect(c),
            '#' if self.word.is_none() => {
                self.problem("`#` starts a comment");
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            }
            '!' => {
                self.problem("`!` negates a command or recalls an old one");
                if self.word.is_some() || self.peek(0).is_some_and(|next| !next.is_whitespace()) {
                    self.push(c);
                }
            }
            '*' | '?' | '[' => {
                self.push(c);
                self.current().glob = true;
            }
            '~' if self.word.is_none() => {
                let home = self
                    .peek(0)
                    .is_none_or(|next| next == '/' || next.is_whitespace() || ";&|".contains(next));
                if !home {
                    self.problem("`~name` stands for a directory that isn't known here");
                    self.fill_in(false);
                }
                self.push(c);
                self.current().tilde = home;
            }
            '~' if self.word.as_ref().is_some_and(|word| word.text.ends_with(['=', ':'])) => {
                self.problem("`~` in the middle of a word may stand for a directory");
                self.fill_in(false);
                self.push(c);
            }
            '=' if self.word.is_none() => {
                self.problem("a word that starts with `=` stands for a program in some shells");
                self.fill_in(false);
                self.push(c);
            }
            c if c.is_control() => {
                self.problem("a control character");
                self.push(c);
            }
            c if !c.is_ascii() && (c.is_whitespace() || is_invisible(c)) => {
                self.problem("white space, or an invisible character, that isn't ASCII");
                self.push(c);
            }
            c => self.push(c),
        }
    }

    fn single_quoted(&mut self) {
        self.current().quoted = true;
        loop {
            match self.next() {
                Some('\'') => return,
                Some(c) => self.push_inside(c),
                None => return self.problem("a quote isn't closed"),
            }
        }
    }

    fn double_quoted(&mut self) {
        self.current().quoted = true;
        loop {
            match self.next() {
                Some('"') => return,
                Some('\\') => match self.peek(0) {
                    Some(c @ ('$' | '`' | '"' | '\\' | '\n')) => {
                        self.problem("`\\` quotes a single character");
                        self.at += 1;
                        if c != '\n' {
                            self.push_inside(c);
                        }
                    }
                    _ => self.push_inside('\\'),
                },
                Some('$') => self.dollar(true),
                Some('`') => {
                    self.problem("`` ` `` runs a command and fills its output in");
                    let text = self.until_backquote();
                    self.script.nested.push(text);
                    self.fill_in(true);
                }
                Some(c) => self.push_inside(c),
                None => return self.problem("a quote isn't closed"),
            }
        }
    }

    /// After a `$`: everything that starts so is filled in by the shell. `HOME` and `PWD` are kept by name, so
    /// that the lossy reading can tell what `rm -rf $HOME` means.
    fn dollar(&mut self, inside_quotes: bool) {
        match self.peek(0) {
            Some('(') => {
                self.problem("`$(` runs a command and fills its output in");
                self.at += 1;
                let text = self.until_parenthesis();
                self.script.nested.push(text);
                self.fill_in(true);
            }
            Some('{') => {
                self.at += 1;
                let mut name = String::new();
                while let Some(c) = self.next() {
                    if c == '}' {
                        break;
                    }
                    name.push(c);
                }
                self.problem("`$` fills a value in");
                if name.contains("$(") || name.contains('`') {
                    self.script.nested.push(name.clone());
                }
                self.variable(&name);
            }
            Some('\'') if !inside_quotes => {
                self.problem("`$'` spells characters by number");
                self.at += 1;
                self.numbered_quote();
            }
            Some('"') if !inside_quotes => {
                self.problem("`$\"` translates text");
                self.fill_in(false);
            }
            _ => {
                let mut name = String::new();
                while let Some(c) = self.peek(0).filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    self.at += 1;
                    name.push(c);
                }
                self.problem("`$` fills a value in");
                self.variable(&name);
            }
        }
    }

    /// After `$'`: decoded, so that the lossy reading sees through it.
    fn numbered_quote(&mut self) {
        self.current().quoted = true;
        while let Some(c) = self.next() {
            match c {
                '\'' => return,
                '\\' => {
                    let decoded = match self.next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some('x') => self.number(16, 2),
                        Some('u') => self.number(16, 4),
                        Some('U') => self.number(16, 8),
                        Some('0'..='7') => {
                            self.at -= 1;
                            self.number(8, 3)
                        }
                        Some(c) => c,
                        None => break,
                    };
                    self.push(decoded);
                }
                c => self.push(c),
            }
        }
        self.problem("a quote isn't closed");
    }

    fn number(&mut self, base: u32, digits: usize) -> char {
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.peek(0).and_then(|c| c.to_digit(base)) else { break };
            self.at += 1;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn variable(&mut self, name: &str) {
        let start = self.word.as_ref().is_none_or(|word| word.text.is_empty());
        let word = self.current();
        match name {
            "HOME" if start => {
                word.text.push('~');
                word.tilde = true;
            }
            "PWD" if start => word.text.push('.'),
            _ => word.known = false,
        }
    }

    /// After `<` or `>`.
    fn connect(&mut self, c: char) {
        if self.eat('(') {
            self.problem(&format!("`{c}(` runs a command"));
            let text = self.until_parenthesis();
            self.script.nested.push(text);
            self.fill_in(true);
            return;
        }
        self.problem(&format!("`{c}` connects a file"));
        // Digits that touch the operator are a descriptor, not a word.
        if self
            .word
            .as_ref()
            .is_some_and(|word| !word.quoted && word.text.bytes().all(|byte| byte.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        let redirect = if c == '<' && self.eat('<') {
            if self.eat('<') { Redirect::Text } else { Redirect::Document { cut_tabs: self.eat('-') } }
        } else {
            let writes = c == '>' || self.eat('>');
            let _ = self.eat('>') || self.eat('|');
            let descriptor =
                self.eat('&') && self.peek(0).is_some_and(|next| next.is_ascii_digit() || next == '-');
            if descriptor { Redirect::Descriptor } else { Redirect::File { writes } }
        };
        self.redirect = Some(redirect);
    }

    fn end_line(&mut self) {
        self.end_word();
        let documents = std::mem::take(&mut self.documents);
        let fed: Vec<(usize, String, bool)> = documents
            .into_iter()
            .map(|document| {
                let body = self.document(&document);
                (document.command, body, document.literal)
            })
            .collect();
        for (command, body, literal) in fed {
            if !literal && (body.contains("$(") || body.contains('`')) {
                self.script.nested.extend(substitutions(&body));
            }
            let at = self.script.commands.len();
            match self.script.commands.get_mut(command) {
                Some(command) => command.fed.push(body),
                None if command == at => self.command.fed.push(body),
                None => {}
            }
        }
        self.end_command(Join::Then, None);
    }

    /// Reads the lines of a here-document up to its delimiter.
    fn document(&mut self, document: &Document) -> String {
        let mut body = String::new();
        while self.at < self.chars.len() {
            let mut line = String::new();
            while let Some(c) = self.next() {
                if c == '\n' {
                    break;
                }
                line.push(c);
            }
            let compared = if document.cut_tabs { line.trim_start_matches('\t') } else { &line };
            if compared == document.delimiter {
                break;
            }
            body.push_str(&line);
            body.push('\n');
        }
        body
    }

    fn until_parenthesis(&mut self) -> String {
        let mut depth = 1_usize;
        let mut text = String::new();
        let mut quote = None;
        while let Some(c) = self.next() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some('"') | None, '\\') => {
                    text.push(c);
                    text.extend(self.next());
                    continue;
                }
                (None, '\'' | '"') => quote = Some(c),
                (None, '(') => depth += 1,
                (None, ')') => {
                    depth -= 1;
                    if depth == 0 {
                        return text;
                    }
                }
                _ => {}
            }
            text.push(c);
        }
        self.problem("a parenthesis isn't closed");
        text
    }

    fn until_backquote(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '`' => return text,
                '\\' => text.extend(self.next()),
                c => text.push(c),
            }
        }
        self.problem("a back quote isn't closed");
        text
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match self.redirect.take() {
            None => self.command.words.push(word),
            Some(Redirect::File { writes }) => self.command.redirects.push((writes, word)),
            Some(Redirect::Descriptor) => {}
            Some(Redirect::Text) => self.command.fed.push(word.text),
            Some(Redirect::Document { cut_tabs }) => self.documents.push(Document {
                delimiter: word.text,
                cut_tabs,
                literal: word.quoted,
                command: self.script.commands.len(),
            }),
        }
    }

    fn end_command(&mut self, next: Join, operator: Option<&'static str>) {
        self.end_word();
        if self.redirect.take().is_some() {
            self.problem("a redirection names no file");
        }
        let command = std::mem::take(&mut self.command);
        if command.is_empty() {
            if operator.is_some() {
                self.problem("an operator stands where a command should");
            }
            // A newline after `&&` or `|` goes on with the line; otherwise a blank line is nothing.
            let goes_on = operator.is_none() && self.dangling.is_some();
            self.command.join = if goes_on { command.join } else { next };
        } else {
            self.script.commands.push(command);
            self.dangling = None;
            self.command.join = next;
        }
        if let Some(operator @ ("&&" | "||" | "|")) = operator {
            self.dangling = Some(operator);
        }
    }

    /// The word being read; starts one if there is none.
    fn current(&mut self) -> &mut Word {
        self.word.get_or_insert_with(|| Word { known: true, ..Word::default() })
    }

    fn push(&mut self, c: char) {
        self.current().text.push(c);
    }

    /// A character whose meaning was taken by `\`.
    fn push_quoted(&mut self, c: char) {
        let word = self.current();
        word.quoted = true;
        word.text.push(c);
    }

    /// A character between quotes. Control characters have no business in a plain command even there.
    fn push_inside(&mut self, c: char) {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            self.problem("a control character");
        }
        self.push(c);
    }

    fn fill_in(&mut self, substituted: bool) {
        let word = self.current();
        word.known = false;
        word.substituted |= substituted;
    }

    fn problem(&mut self, what: &str) {
        if self.script.problem.is_none() {
            let from = self.at.saturating_sub(12);
            let near: String = self.chars[from..self.chars.len().min(self.at + 12)].iter().collect();
            self.script.problem = Some(format!("{what} (near `{}`)", shown(&near)));
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek(0) == Some(c);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests;
