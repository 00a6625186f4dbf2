//! What commands print, as far as it can be told from their words.

use super::{
    super::{
        script::{Command, Kind, Word},
        walk::base,
    },
    MAX_TURNS, Tracer, Unknown, Value,
    changed::is_some_name,
    is_digits,
    listed::listed,
};

/// The most commands of a pipeline whose output is followed back.
const MAX_FOLLOWED: usize = 8;

impl Tracer {
    /// What the commands since then print, where that can be told.
    pub(super) fn told(&self, from: usize, scope: usize) -> Value {
        let found = Unknown { found: true, ..Unknown::default() };
        let made = self.commands.get(from..).unwrap_or_default();
        let Some(last) = made.last() else { return Value::Words(vec![Word::literal("")]) };
        let alone = made.len() == 1
            && last.variables.is_empty()
            && !self.variables.contains_key("TMPDIR")
            && self.printer == Some(from)
            && last.redirects.is_empty()
            && !last.connected
            && last.scope == scope;
        if let Some(value) = Some(last).filter(|_| alone).and_then(exactly) {
            return value;
        }
        let Some(at) = self.printer.filter(|at| *at >= from) else { return Value::Unknown(found) };
        match self.commands.get(at).and_then(|command| listed(&command.words)) {
            Some(files) if files.iter().all(|word| word.known && word.below.is_some()) => {
                Value::Found(files.into())
            }
            _ => Value::Unknown(Unknown { kind: self.printed(at), ..found }),
        }
    }

    /// What kind of words a command prints, one to a line.
    pub(super) fn printed(&self, at: usize) -> Kind {
        self.followed(at, 0)
    }

    fn followed(&self, at: usize, depth: usize) -> Kind {
        let Some(command) = self.commands.get(at).filter(|_| depth < MAX_FOLLOWED) else { return Kind::Any };
        let Some(program) = command.words.first().filter(|word| word.known).map(base) else {
            return Kind::Any;
        };
        let words: Vec<&str> = command.words[1..].iter().map(|word| word.text.as_str()).collect();
        let options = || words.iter().copied().filter(|word| word.starts_with('-'));
        let known = command.words.iter().all(|word| word.known && !word.glob);
        let before = || command.input.map_or(Kind::Any, |at| self.followed(at, depth + 1));
        // The first word of each line of what the command before prints.
        let first = |ends| command.input.map_or(Kind::Any, |at| self.first_printed(at, ends, depth + 1));
        match (program.as_ref(), words.as_slice()) {
            ("nproc", [] | ["--all"]) | ("wc", ["-l" | "-c" | "-w" | "-m"]) => Kind::Number,
            ("seq", words)
                if words
                    .iter()
                    .zip(&command.words[1..])
                    .all(|(text, word)| word.is_number() || (word.known && *text == "-w")) =>
            {
                Kind::Number
            }
            ("id", ["-u" | "-g"]) | ("tput", ["cols" | "lines"]) => Kind::Number,
            ("whoami", []) | ("id", ["-un"]) | ("uname", ["-s" | "-m"]) => Kind::Name,
            ("date", _) => dated(&command.words[1..]),
            ("stat", ["-c" | "-f" | "--format", format, files @ ..])
                if known_at(command, 2) && !files.iter().any(|file| file.starts_with('-')) =>
            {
                let numbers = ["%s", "%Y", "%X", "%Z", "%W", "%i", "%h", "%u", "%g", "%b", "%z", "%m", "%a"];
                if numbers.contains(format) { Kind::Number } else { Kind::Any }
            }
            ("grep" | "egrep" | "fgrep", _) => counted(&command.words[1..]),
            ("awk" | "gawk" | "mawk", ["{print $1}" | "{ print $1 }"]) => first(" \t"),
            ("awk" | "gawk" | "mawk", _) => added_up(&command.words[1..]),
            ("cut", ["-d ", "-f1"] | ["-d", " ", "-f1"] | ["-d ", "-f", "1"] | ["-d", " ", "-f", "1"])
                if known =>
            {
                first(" ")
            }
            ("cut", ["-f1"] | ["-f", "1"]) => first("\t"),
            ("cut", [columns]) if known && is_start(columns) => first(""),
            ("tr", ["-d", " " | "\n" | "\\n" | "[:space:]" | "[:blank:]" | " \n" | " \\n"])
            | ("xargs", [])
                if known =>
            {
                before()
            }
            ("jq", _) => {
                let counts = command.words[1..].iter().filter(|word| !word.text.starts_with('-')).take(1);
                let counts =
                    counts.filter(|word| word.known && !word.text.contains(['#', '"', ','])).any(|word| {
                        let text = word.text.trim();
                        text == "length" || text.ends_with("|length") || text.ends_with("| length")
                    });
                let plain = options().all(|option| ["-r", "-c", "-e"].contains(&option));
                if counts && plain { Kind::Number } else { Kind::Any }
            }
            ("sqlite3", [_, question]) if known_at(command, 2) => {
                let text = question.trim().trim_end_matches(';').to_lowercase();
                let counts = text.starts_with("select count(*) from ") && !text.contains([';', ',']);
                if counts && !text.contains(" union") { Kind::Number } else { Kind::Any }
            }
            ("echo", [word]) if !word.starts_with('-') => command.words[1].value_kind(),
            ("git", [sub, ..]) if known_at(command, 1) => printed_by_git(sub, &command.words[2..]),
            _ => Kind::Any,
        }
    }

    /// What kind of word each line of what a command prints begins with, up to one of these signs.
    fn first_printed(&self, at: usize, ends: &str, depth: usize) -> Kind {
        let Some(command) = self.commands.get(at) else { return Kind::Any };
        let program = command.words.first().map(base).unwrap_or_default();
        let words = command.words.iter().skip(1).map(|word| word.text.as_str());
        let options: Vec<&str> = words.filter(|word| word.starts_with('-')).collect();
        match program.as_ref() {
            "wc" if ends.contains(' ') && matches!(options.as_slice(), ["-l" | "-c" | "-w" | "-m"]) => {
                Kind::Number
            }
            "du" if ends.contains('\t')
                && options
                    .iter()
                    .all(|option| ["-s", "-k", "-b", "-m", "-sk", "-sb", "-sm", "-c"].contains(option)) =>
            {
                Kind::Number
            }
            // Their lines begin with 32 digits at least.
            "md5sum" | "sha1sum" | "sha224sum" | "sha256sum" | "sha384sum" | "sha512sum" | "b2sum"
                if options.is_empty() && (ends.is_empty() || ends.contains(' ')) =>
            {
                Kind::Name
            }
            "git" => match logged(&command.words[1..]) {
                Some(format) => {
                    format_kind(format.split(|c: char| ends.contains(c)).next().unwrap_or_default())
                }
                None => self.followed(at, depth),
            },
            _ => self.followed(at, depth),
        }
    }

    /// What kind of word `read` sets the first of so many variables to. `ifs`: the signs that part words, where they are
    /// given.
    pub(super) fn read_first(&self, at: usize, ifs: Option<&str>, names: usize) -> Kind {
        let Some(command) = self.commands.get(at) else { return Kind::Any };
        let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
        match (words.as_slice(), ifs) {
            // Their names stand behind blanks, which `read` takes off, or a `*`.
            (["git", "branch", rest @ ..], None)
                if rest.iter().all(|word| {
                    ["-r", "--merged", "--no-merged", "-a"].contains(word) || !word.starts_with('-')
                }) =>
            {
                Kind::Revision
            }
            (_, Some("")) => self.printed(at),
            _ if names == 1 => self.printed(at),
            (_, ifs) => self.first_printed(at, ifs.unwrap_or(" \t"), 0),
        }
    }
}

/// What a command prints, where that is a text that is known, or a place.
fn exactly(command: &Command) -> Option<Value> {
    let words: Vec<&str> = command.words.iter().map(|word| word.text.as_str()).collect();
    let known = command.words.iter().all(|word| word.known && !word.glob && !word.splits);
    let text = |text: String| Some(Value::Words(vec![Word { quoted: true, ..Word::literal(&text) }]));
    let special = |word: &Word| word.tilde || word.here || word.root;
    match words.as_slice() {
        ["pwd"] => Some(Value::Words(vec![Word { quoted: true, here: true, ..Word::literal(".") }])),
        ["git", "rev-parse", "--show-toplevel"] => Some(Value::Words(vec![Word {
            quoted: true,
            root: true,
            ..Word::literal("$(git rev-parse --show-toplevel)")
        }])),
        ["cat"] if command.fed.len() == 1 && command.doubts.is_empty() => {
            text(command.fed[0].trim_end_matches('\n').to_owned())
        }
        ["mktemp", rest @ ..] if known && !command.words.iter().any(special) => text(made_by_mktemp(rest)?),
        ["echo", rest @ ..]
            if known
                && !command.words.iter().any(|word| word.tilde || word.here)
                && !rest.iter().any(|word| word.starts_with('-') || word.contains('\\')) =>
        {
            text(rest.join(" "))
        }
        ["basename", ..] | ["dirname", ..] => part_of_path(&words[1..], &command.words),
        ["seq", ..] => text(sequence(&command.words)?.join("\n")),
        _ => None,
    }
}

/// `basename PATH [SUFFIX]`, `dirname PATH`, of a path or of a pattern for one.
fn part_of_path(words: &[&str], all: &[Word]) -> Option<Value> {
    let (path, suffix) = match (all.first()?.text.as_str(), words) {
        (_, [path]) => (*path, None),
        ("basename", [path, suffix]) => (*path, Some(*suffix)),
        _ => return None,
    };
    let word = all.get(1).filter(|word| !word.text.starts_with('-'))?;
    let plain = |word: &Word| word.known && !word.splits && !word.tilde && !word.here && !word.root;
    if !all.iter().all(plain) || word.below.is_some() || all.get(2).is_some_and(|word| word.glob) {
        return None;
    }
    let path = path.trim_end_matches('/');
    let (directory, name) = match path.rsplit_once('/') {
        Some((directory, name)) => (directory, name),
        None => (".", path),
    };
    let text = if all[0].text == "dirname" {
        // One name of it may be any number of them.
        if name == "**" || path.is_empty() || name == path && word.glob {
            return None;
        }
        if directory.is_empty() { "/" } else { directory }
    } else {
        let suffix = suffix.filter(|suffix| *suffix != name).unwrap_or_default();
        // What a wildcard stands for may end in it as well.
        let left = name.strip_suffix(suffix).unwrap_or(name);
        if word.glob && !suffix.is_empty() && !(name.ends_with(suffix) && is_some_name(left, name)) {
            return None;
        }
        name.strip_suffix(suffix).unwrap_or(name)
    };
    let text = if word.glob && text == "**" { "*" } else { text };
    (!text.is_empty()).then(|| {
        let glob = word.glob && text.contains(['*', '?', '[']);
        Value::Words(vec![Word { quoted: true, glob, ..Word::literal(text) }])
    })
}

/// The name of a new file: its template, in which the `X`s stand for what nobody can guess.
fn made_by_mktemp(words: &[&str]) -> Option<String> {
    let mut template = None;
    let mut in_temp = false;
    for word in words {
        match *word {
            "-d" | "-q" | "--directory" | "--quiet" => {}
            "-t" | "-dt" | "-td" => in_temp = true,
            text if text.starts_with('-') || template.is_some() => return None,
            text => template = Some(text),
        }
    }
    let Some(template) = template else { return Some("/tmp/tmp.XXXXXXXXXX".to_owned()) };
    let path = if in_temp { format!("/tmp/{template}") } else { template.to_owned() };
    // In a directory that isn't there it fails, and prints nothing.
    path.strip_prefix("/tmp/")
        .filter(|name| !name.contains('/') && name.contains("XXX") && name.len() < 200)?;
    Some(path)
}

/// The numbers that `seq` prints, where they are few.
pub(super) fn sequence(words: &[Word]) -> Option<Vec<String>> {
    let [seq, numbers @ ..] = words else { return None };
    let padded = numbers.first().is_some_and(|word| word.text == "-w");
    let numbers = &numbers[usize::from(padded)..];
    let value = |word: &Word| (word.known && word.text.len() < 7).then(|| word.text.parse::<i64>().ok())?;
    let numbers: Vec<i64> = numbers.iter().map(value).collect::<Option<_>>()?;
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return None,
    };
    if seq.text != "seq" || step <= 0 || first < 0 || last < first {
        return None;
    }
    let width = if padded { last.to_string().len() } else { 0 };
    let count = usize::try_from((last - first) / step + 1).ok()?;
    (count <= MAX_TURNS)
        .then(|| (0..).map(|at| first + at * step).take(count).map(|n| format!("{n:0width$}")).collect())
}

/// Whether the word at this place is known.
fn known_at(command: &Command, at: usize) -> bool {
    command.words.get(at).is_some_and(|word| word.known && !word.glob)
}

/// `-c1-8`: the start of a line, no longer than the shortest hash.
fn is_start(columns: &str) -> bool {
    let end = columns.strip_prefix("-c1-").or_else(|| columns.strip_prefix("-c-")).unwrap_or_default();
    end.parse::<usize>().is_ok_and(|end| (1..=32).contains(&end))
}

/// `date +FORMAT`
fn dated(words: &[Word]) -> Kind {
    let mut formats = words.iter().filter(|word| word.text.starts_with('+'));
    let (Some(format), None) = (formats.next(), formats.next()) else { return Kind::Any };
    if !format.known || words.iter().any(|word| word.splits) {
        return Kind::Any;
    }
    let mut kind = Kind::Number;
    let mut signs = format.text[1..].chars();
    let mut first = true;
    while let Some(sign) = signs.next() {
        match sign {
            '%' => match signs.next() {
                Some('s' | 'Y' | 'm' | 'd' | 'H' | 'M' | 'S' | 'N' | 'j' | 'y' | 'u') => {}
                Some('F') => kind = Kind::Name,
                _ => return Kind::Any,
            },
            '0'..='9' => {}
            sign if sign.is_ascii_alphabetic() => kind = Kind::Name,
            '-' | '_' | '.' if !first => kind = Kind::Name,
            _ => return Kind::Any,
        }
        first = false;
    }
    if first { Kind::Any } else { kind }
}

/// `grep -c` of one file, or of what it is fed.
fn counted(words: &[Word]) -> Kind {
    let options: Vec<&Word> = words.iter().filter(|word| word.text.starts_with('-')).collect();
    let count =
        |word: &&Word| word.text == "--count" || (!word.text.starts_with("--") && word.text.contains('c'));
    let plain = |word: &&Word| {
        word.known && (word.text == "--count" || word.text[1..].chars().all(|c| "cvwxiEFPqhos".contains(c)))
    };
    let operands = words.iter().filter(|word| !word.text.starts_with('-'));
    let single =
        operands.clone().all(|word| !word.glob && !word.splits) && (1..=2).contains(&operands.count());
    if options.iter().any(count) && options.iter().all(plain) && single { Kind::Number } else { Kind::Any }
}

/// An awk program that prints one sum, at its end.
fn added_up(words: &[Word]) -> Kind {
    let program = match words {
        [option, program, ..] if option.text.starts_with("-F") && option.text.len() > 2 => program,
        [option, _, program, ..] if option.text == "-F" => program,
        [program, ..] if !program.text.starts_with('-') => program,
        _ => return Kind::Any,
    };
    let set = |word: &Word| word.text.contains('=');
    if !program.known || words.iter().skip_while(|word| *word != program).skip(1).any(set) {
        return Kind::Any;
    }
    let text = program.text.replace('\n', ";").replace([' ', '\t', '\r'], "");
    let Some((rules, end)) = text.split_once("END{") else { return Kind::Any };
    // Nothing is printed before, by an action or for want of one, and nothing says how numbers are printed.
    let told = |text: &str| {
        ["print", "BEGIN", "FMT", "OFS", "ORS", "sub", "close"].iter().any(|name| text.contains(name))
    };
    let mut left = rules.trim_start_matches(';');
    while let Some((rule, after)) = left.split_once('}') {
        let acts = rule.split_once('{').is_some_and(|(pattern, _)| !pattern.contains(';'));
        if !acts {
            return Kind::Any;
        }
        left = after.trim_start_matches(';');
    }
    if !left.is_empty() || told(rules) || rules.contains(['#', '"', '\'', '`']) {
        return Kind::Any;
    }
    let Some(end) = end.strip_suffix('}') else { return Kind::Any };
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_+-*/()".contains(c));
    if let Some(printed) = end.strip_prefix("printf\"%d\\n\",").or_else(|| end.strip_prefix("printf\"%d\","))
    {
        return if plain(printed) { Kind::Number } else { Kind::Any };
    }
    let Some(printed) = end.strip_prefix("print").filter(|printed| plain(printed)) else { return Kind::Any };
    let name = printed.strip_suffix("+0").unwrap_or(printed);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    if (printed == "NR" && !rules.contains("NR")) || (is_name && printed.ends_with("+0")) {
        return Kind::Number;
    }
    // A sum from the start: nothing else is ever put there.
    let uses: Vec<&str> = rules.match_indices(name).map(|(at, _)| &rules[at + name.len()..]).collect();
    let sums = is_name && uses.iter().all(|after| after.starts_with("+=") || after.starts_with("++"));
    if sums && !uses.is_empty() { Kind::Number } else { Kind::Any }
}

/// What kind of words a command of git prints, one to a line.
fn printed_by_git(sub: &str, rest: &[Word]) -> Kind {
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    let only = |options: &[&str]| {
        rest.iter().all(|word| {
            let name = word.text.split('=').next().unwrap_or_default();
            if word.text.starts_with('-') {
                let number = is_digits(&word.text[1..]);
                word.known && (options.contains(&name) || (number && options.contains(&"-#")))
            } else {
                !word.splits && word.is_of(Kind::Revision)
            }
        })
    };
    match sub {
        "merge-base" if only(&["--all", "-a", "--octopus", "--fork-point"]) => Kind::Name,
        "hash-object" if only(&["-t", "--stdin"]) => Kind::Name,
        "write-tree" if rest.is_empty() => Kind::Name,
        "rev-list" if has(&["--count"]) && !has(&["--left-right", "--cherry-mark"]) => Kind::Number,
        "rev-list"
            if only(&[
                "-#",
                "-n",
                "--max-count",
                "--all",
                "--reverse",
                "--no-merges",
                "--merges",
                "--first-parent",
                "--since",
                "--until",
                "--after",
                "--before",
                "--author",
                "--skip",
                "--branches",
                "--topo-order",
                "--date-order",
                "--max-parents",
                "--min-parents",
                "--",
            ]) =>
        {
            Kind::Name
        }
        "rev-parse" if has(&["--abbrev-ref"]) && only(&["--abbrev-ref"]) => Kind::Revision,
        "rev-parse" if only(&["--verify", "--short", "-q", "--quiet"]) => {
            // A word that is no revision is printed as it is.
            let checked = has(&["--verify"]) || rest.iter().any(|word| word.text.starts_with("--short"));
            let mut operands = rest.iter().filter(|word| !word.text.starts_with('-'));
            let plain = |word: &Word| {
                let name = |c: char| c.is_ascii_alphanumeric() || "_.-~^".contains(c);
                word.known
                    && word.text.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && word.text.chars().all(name)
            };
            if checked || operands.all(plain) { Kind::Name } else { Kind::Any }
        }
        "describe"
            if !rest.iter().any(|word| word.text.starts_with("--dirty="))
                && only(&[
                    "--tags",
                    "--always",
                    "--abbrev",
                    "--all",
                    "--long",
                    "--dirty",
                    "--match",
                    "--exact-match",
                    "--first-parent",
                ]) =>
        {
            Kind::Revision
        }
        "branch" if only(&["--show-current"]) && has(&["--show-current"]) => Kind::Revision,
        "symbolic-ref" if only(&["--short", "-q", "--quiet"]) => Kind::Revision,
        "tag" | "branch" | "for-each-ref" => {
            const NAMES: &[&str] =
                &["%(refname:short)", "%(refname)", "%(objectname)", "%(objectname:short)"];
            let format =
                rest.iter().find_map(|word| word.text.strip_prefix("--format=").filter(|_| word.known));
            let listing = [
                "-l",
                "--list",
                "--sort",
                "--merged",
                "--no-merged",
                "--contains",
                "--points-at",
                "--format",
                "--count",
                "-r",
                "-a",
            ];
            // A name that is listed by a pattern.
            let lists = rest.iter().all(|word| {
                word.known
                    && !word.glob
                    && (!word.text.starts_with('-')
                        || listing.contains(&word.text.split('=').next().unwrap_or_default()))
            });
            let named = match (sub, format) {
                (_, Some(format)) => NAMES.contains(&format),
                ("tag", None) => {
                    rest.is_empty()
                        || has(&["-l", "--list"])
                        || rest.iter().any(|word| word.text.starts_with("--"))
                }
                _ => false,
            };
            if lists && named { Kind::Revision } else { Kind::Any }
        }
        "log" | "show" => {
            let words: Vec<Word> = std::iter::once(Word::literal(sub)).chain(rest.iter().cloned()).collect();
            logged(&words).map_or(Kind::Any, format_kind)
        }
        _ => Kind::Any,
    }
}

/// The format of what `git log` or `git show` prints, where it prints nothing else.
fn logged(words: &[Word]) -> Option<&str> {
    const OPTIONS: &[&str] = &[
        "-n",
        "--max-count",
        "--reverse",
        "--no-merges",
        "--merges",
        "--first-parent",
        "--all",
        "--since",
        "--until",
        "--after",
        "--before",
        "--author",
        "--grep",
        "--follow",
        "-s",
        "--no-patch",
        "--skip",
        "--branches",
        "--",
        "--diff-filter",
        "--date",
    ];
    let (sub, rest) = words.split_first()?;
    let has = |options: &[&str]| rest.iter().any(|word| options.contains(&word.text.as_str()));
    // What is shown of a tag or of a file isn't told by a format.
    let of_head = |word: &Word| {
        word.text.starts_with('-')
            || (word.known && word.text.starts_with("HEAD") && !word.text.contains(':'))
    };
    if !(sub.text == "log" || (sub.text == "show" && has(&["-s", "--no-patch"]) && rest.iter().all(of_head)))
    {
        return None;
    }
    let mut format = None;
    for word in rest.iter().filter(|word| word.text.starts_with('-')) {
        let text = word.text.as_str();
        let told = text.strip_prefix("--format=").or_else(|| text.strip_prefix("--pretty="));
        match told {
            Some(told) if word.known => {
                format = Some(
                    told.strip_prefix("tformat:").or_else(|| told.strip_prefix("format:")).unwrap_or(told),
                );
            }
            Some(_) => return None,
            None if is_digits(&text[1..]) => {}
            None if OPTIONS.contains(&text.split('=').next().unwrap_or_default()) => {}
            None => return None,
        }
    }
    // A message may have any number of lines.
    format.filter(|format| {
        const LINES: &[&str] = &[
            "h", "H", "t", "T", "p", "P", "an", "ae", "al", "ad", "ar", "as", "at", "aI", "cn", "ce", "cl",
            "cd", "cr", "cs", "ct", "cI", "s", "f", "d", "D", "S",
        ];
        format.split('%').skip(1).all(|rest| LINES.iter().any(|name| rest.starts_with(name)))
            && !format.contains("%%")
            && !format.contains("%n")
    })
}

/// What kind of word a format of `git log` comes to.
fn format_kind(format: &str) -> Kind {
    match format {
        "%ct" | "%at" => Kind::Number,
        "%h" | "%H" | "%t" | "%T" | "%cs" | "%as" => Kind::Name,
        _ => Kind::Any,
    }
}
