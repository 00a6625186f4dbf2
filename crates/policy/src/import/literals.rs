//! Calls with written-out arguments, of a language like Starlark. Nothing is evaluated.

use std::{iter::Peekable, str::Chars};

/// How deeply lists may lie in one another.
const MAX_DEPTH: usize = 8;

/// An argument that is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    List(Vec<Self>),
}

/// One statement, and the line it begins on.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) line: usize,
    /// The call; what is wrong with it where it is none that can be read.
    pub(super) call: Result<Call, String>,
}

/// `name(key = literal, …)`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Literal)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
    Newline,
}

/// Takes a program apart.
///
/// # Errors
///
/// A line, and what is wrong there, where it can't be told what follows.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, (usize, String)> {
    let tokens = tokens(text)?;
    let mut statements = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some(((line, first), _)) = rest.split_first() {
        if *first == Token::Newline {
            rest = &rest[1..];
            continue;
        }
        let end = end_of_statement(rest);
        let (statement, after) = rest.split_at(end);
        statements.push(Statement { line: *line, call: call(statement) });
        rest = after;
    }
    Ok(statements)
}

/// Lines end a statement unless a bracket is open.
fn end_of_statement(tokens: &[(usize, Token)]) -> usize {
    let mut open = 0_usize;
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Mark('(' | '[' | '{') => open += 1,
            Token::Mark(')' | ']' | '}') => open = open.saturating_sub(1),
            Token::Newline if open == 0 => return at,
            _ => {}
        }
    }
    tokens.len()
}

fn call(statement: &[(usize, Token)]) -> Result<Call, String> {
    let tokens: Vec<&Token> =
        statement.iter().map(|(_, token)| token).filter(|token| **token != Token::Newline).collect();
    let [Token::Word(name), Token::Mark('('), inside @ .., Token::Mark(')')] = tokens.as_slice() else {
        return Err("it isn't a call".to_owned());
    };
    let mut arguments: Vec<(String, Literal)> = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let [Token::Word(key), Token::Mark('='), value @ ..] = rest else {
            return Err("an argument isn't written as `name = value`".to_owned());
        };
        if arguments.iter().any(|(known, _)| known == key) {
            return Err(format!("the argument `{key}` is given twice"));
        }
        let (literal, after) = literal(value, 0).map_err(|problem| format!("`{key}`: {problem}"))?;
        arguments.push((key.clone(), literal));
        rest = match after {
            [] => after,
            [Token::Mark(','), after @ ..] => after,
            _ => return Err(format!("`{key}` isn't written out")),
        };
    }
    Ok(Call { name: name.clone(), arguments })
}

fn literal<'t, 'a>(tokens: &'a [&'t Token], depth: usize) -> Result<(Literal, &'a [&'t Token]), String> {
    let unwritten = || "its value isn't written out as text or a list".to_owned();
    match tokens {
        [Token::Text(text), rest @ ..] => Ok((Literal::Text(text.clone()), rest)),
        [Token::Mark('['), rest @ ..] if depth < MAX_DEPTH => {
            let mut items = Vec::new();
            let mut rest = rest;
            loop {
                if let [Token::Mark(']'), after @ ..] = rest {
                    return Ok((Literal::List(items), after));
                }
                let (item, after) = literal(rest, depth + 1)?;
                items.push(item);
                rest = match after {
                    [Token::Mark(','), after @ ..] => after,
                    [Token::Mark(']'), ..] => after,
                    _ => return Err(unwritten()),
                };
            }
        }
        _ => Err(unwritten()),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, (usize, String)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match c {
            '\n' => {
                tokens.push((line, Token::Newline));
                line += 1;
                continue;
            }
            '#' => {
                while chars.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            c if c.is_whitespace() => continue,
            '"' | '\'' => {
                let begun = line;
                let text = string(c, &mut chars, &mut line)
                    .map_err(|problem| (begun, format!("the text that begins here {problem}")))?;
                tokens.push((begun, Token::Text(text)));
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(next);
                }
                // A letter before a quote changes what its text says.
                if chars.peek().is_some_and(|c| matches!(c, '"' | '\'')) {
                    return Err((line, format!("`{word}` before a text isn't understood")));
                }
                Token::Word(word)
            }
            c => Token::Mark(c),
        };
        tokens.push((line, token));
    }
    Ok(tokens)
}

/// The rest of a text after its first quote.
fn string(quote: char, chars: &mut Peekable<Chars<'_>>, line: &mut usize) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut long = false;
    if chars.next_if_eq(&quote).is_some() {
        if chars.next_if_eq(&quote).is_none() {
            return Ok(text);
        }
        long = true;
    }
    let mut quotes = 0;
    while let Some(c) = chars.next() {
        if c == quote {
            quotes += 1;
            if !long || quotes == 3 {
                return Ok(text);
            }
            continue;
        }
        text.extend(std::iter::repeat_n(quote, quotes));
        quotes = 0;
        match c {
            '\n' if !long => return Err("has no end"),
            '\n' => {
                *line += 1;
                text.push('\n');
            }
            '\\' => match chars.next() {
                Some(c @ ('\\' | '\'' | '"')) => text.push(c),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('\n') => *line += 1,
                _ => return Err("holds an escape that isn't understood"),
            },
            c => text.push(c),
        }
    }
    Err("has no end")
}
