//! The commands that another parser of shell scripts finds.

use tree_sitter::{Node, Parser};

/// Words of the shell's language that the grammar now and then takes for commands.
const WORDS: &[&str] = &[
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "select", "then",
    "time", "until", "while",
];

/// The names of the commands in a script, as far as they are literal; none where the script can't be parsed.
pub fn names(script: &str) -> Vec<String> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).unwrap();
    let tree = parser.parse(script, None).unwrap();
    let mut names = Vec::new();
    let mut functions = Vec::new();
    if !tree.root_node().has_error() {
        collect(tree.root_node(), script, &mut names, &mut functions);
    }
    // Of two functions of one name only the last one runs.
    functions.sort();
    if functions.windows(2).any(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    names.retain(|name| !functions.contains(name));
    names
}

fn collect(node: Node<'_>, script: &str, names: &mut Vec<String>, functions: &mut Vec<String>) {
    if node.kind() == "function_definition"
        && let Some(name) = node.child_by_field_name("name")
    {
        functions.push(script[name.byte_range()].to_owned());
    }
    // In arithmetic it finds commands where there are variables.
    if node.kind() == "c_style_for_statement" {
        return;
    }
    if node.kind() == "command"
        && let Some(name) = node.child_by_field_name("name")
    {
        names.extend(literal(&script[name.byte_range()]));
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        collect(child, script, names, functions);
    }
}

/// What a word stands for, unless the shell changes it.
fn literal(word: &str) -> Option<String> {
    let bare = ["'", "\""].iter().find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote));
    let text = bare.unwrap_or(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "./_+-:".contains(c);
    (!text.is_empty() && text.chars().all(is_plain) && !WORDS.contains(&text)).then(|| text.to_owned())
}
