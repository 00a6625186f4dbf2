//! Commands put together at random from harmless pieces.

/// The pieces. `@S` is a simple command, `@C` any command, `@Q` any command in single quotes, `@N` a name used nowhere
/// else, `@P` the name of a program, `@R` the same one each time, `@W` a word used nowhere else, `@A` an `@`.
const PIECES: &[&str] = &[
    // Lists and pipelines.
    "@C; @C",
    "@C && @C",
    "@C || @C",
    "@C | @C",
    "@C |& @C",
    "@C & wait",
    "@C\n@C",
    "@C # @C",
    "! @S",
    "time @S",
    "time -p @S",
    "@S \\\n@W",
    // Compound commands.
    "(@C)",
    "( @C\n)",
    "((@S); @S)",
    "echo $((@S); @S)",
    "{ @C; }",
    "{ @C\n}",
    "if @C; then @C; else @C; fi",
    "if ! @C; then @C; elif @C; then @C; fi",
    "if true\nthen @C\nfi",
    "while @C; do @C; break; done",
    "until false; do @C; break; done",
    "while read -r @N; do @C; done < a.txt",
    "for @N in a b; do @C; done",
    "for @N in a; do\n@C\ndone",
    "for @N in a { b; do @C; break; done",
    "for ((@N = 0; @N < 2; @N++)); do @C; done",
    "for ((@N = 0; @N < 1; @N++)) { @C; }",
    "for v@N in @P; do $v@N @W; done",
    "for v@N in @W; do @P \"$v@N\"; done",
    "case x in x) @C ;; *) @C ;; esac",
    "case x in (x|y) @C ;& z) @C ;; esac",
    "case x in x) @C ;;& x) @C\n;; esac",
    "case $(@S) in *) @C ;; esac",
    "[[ -n x ]] && @C",
    "[[ -n $(@S) || -z $(@C) ]]",
    "[ -f a.txt ] && @C",
    "test -z x || @C",
    "((1)) && @C",
    "f@N() { @C; }; f@N",
    "function f@N { @C; }; f@N",
    "function f@N() ( @C\n)\nf@N",
    "f@N() if true; then @C; fi; f@N",
    "f@N() { @P \"$@\"; }; f@N @W @W",
    "f@N() { \"$@\"; }; f@N @S",
    "f@N() { $1 @W; }; f@N @P",
    "f@N() { @C; } > /tmp/out; f@N",
    "cd() { @C; }; cd src",
    "coproc @S",
    "coproc c@N { @C; }; wait",
    "(cd src && @C)",
    "cd src; @C",
    "pushd src > /dev/null && @C",
    // Redirections.
    "@S > /tmp/out",
    "@S >> /tmp/out 2>&1",
    "@S &> /tmp/out",
    "@S 2> /dev/null < a.txt",
    "> /tmp/out @S",
    "2>&1 @S",
    "< a.txt @S > /tmp/out",
    "{ @C; } > /tmp/out 2>&1",
    "@S > \"/tmp/$(@S)\"",
    "exec 3> /tmp/out; @C",
    "@S >| /tmp/out",
    // Substitutions.
    "echo $(@C)",
    "echo $(\n@C\n)",
    "echo \"$(@C)\"",
    "echo \"a $(@C) b $(@C)\"",
    "echo `@S`",
    "echo \"`@S`\"",
    "echo `echo \\`@S\\``",
    "@S \"$(@S)\" `@S`",
    "x@N=$(@C)",
    "x@N=$(@C) @S",
    "export x@N=\"$(@C)\"",
    "declare x@N=$(@C)",
    "readonly x@N=`@S`",
    "x@N=a$(@C)b; echo \"$x@N\"",
    "a@N=($(@C) b)",
    "a@N[$(@S; echo 1)]=x",
    "echo ${x@N:-$(@C)}",
    "echo \"${x@N:-$(@C)}\"",
    "echo \"${x@N:=`@S`}\"",
    "x@N=a; echo ${x@N:+$(@C)}",
    "x@N=a; echo ${x@N/a/$(@C)}",
    "x@N=abc; echo ${x@N#$(@C)}",
    "x@N=abc; echo ${x@N:$(@S; echo 1)}",
    "echo $((1 + $(@S; echo 1)))",
    "echo $(( $(@C; echo 2) * 3 ))",
    "((x@N = $(@S; echo 1)))",
    "let x@N=$(@S; echo 1)",
    "cat <(@C)",
    "@S <(@C) <(@C)",
    "@S > >(@S)",
    "cat < <(@C)",
    "cat <<< $(@C)",
    "cat <<< \"$(@C)\"",
    "{ cat <<E@N\n$(@C)\nE@N\n}",
    "{ cat <<E@N\ntext `@S` text\nE@N\n}",
    "{ cat <<-E@N\n\ttext $(@C)\n\tE@N\n}",
    "{ cat <<\"E@N\"\n$(@C)\nE@N\n}",
    "{ cat <<A@N; cat <<B@N\n$(@C)\nA@N\n$(@S)\nB@N\n}",
    "for @N in $(@C); do @C; done",
    "echo $(cat <<E@N\n$(@C)\nE@N\n)",
    // What is defined, set or changed only perhaps, elsewhere, or later.
    "(@R() { :; }); @R @W",
    "{ @R() { :; }; } | cat; @R @W",
    "@R() { :; } & @R @W",
    "echo $(@R() { :; }); @R @W",
    "cat <(@R() { :; }); @R @W",
    "sh -c '@R() { :; }'; @R @W",
    "true || @R() { :; }; @R @W",
    "if false; then @R() { :; }; fi; @R @W",
    "f@N() { @R() { :; }; }; @R @W",
    "@R() { :; }; unset -f @R; @R @W",
    "@R() { :; }; command @R @W",
    "@R() { :; }; sh -c '@R @W'",
    "x@N=@W; f@N() { local x@N=@W; }; f@N; @P \"$x@N\"",
    "x@N=@W; f@N() { x@N=@W; }; f@N; @P \"$x@N\"",
    "x@N=@W; (x@N=@W); @P \"$x@N\"",
    "x@N=@W; { x@N=@W; } | cat; @P \"$x@N\"",
    "x@N=@W; x@N=@W true; @P \"$x@N\"",
    "x@N=@W; true || x@N=@W; @P \"$x@N\"",
    "x@N=@W; declare \"x@N=@W\"; @P \"$x@N\"",
    "x@N=@W; trap '@P \"$x@N\"' EXIT; x@N=@W",
    "x@N=; : \"${x@N:=@W}\"; @P \"$x@N\"",
    "for x@N in @W @W; do :; done; @P \"$x@N\"",
    "x@N=@W; for i in 1 2; do @P \"$x@N\"; x@N=@W; done",
    // Text that is run.
    "sh -c @Q",
    "bash -c @Q",
    "bash -ec @Q",
    "bash -o pipefail -c @Q",
    "bash --norc -c @Q x",
    "dash -c @Q",
    "sh -c '@P \"$1\"' x @W",
    "sh -c '\"$0\" \"$@\"' @S",
    "bash -c \"@S\"",
    "bash -c @P\\ @W",
    "x@N=@Q; bash -c \"$x@N\"",
    "x@N=@Q; eval \"$x@N\"",
    "eval @Q",
    "eval @S",
    "eval \"@S; @S\"",
    "builtin eval @Q",
    "command eval @Q",
    "{ sh <<'E@N'\n@C\nE@N\n}",
    "{ bash -s <<E@N\n@S\nE@N\n}",
    "{ cat <<'E@N' | sh\n@C\nE@N\n}",
    "bash <<< @Q",
    "echo @Q | sh",
    "echo '@S' | sh -s",
    "echo '@S' | bash -x",
    "source /dev/stdin <<< @Q",
    "trap @Q EXIT",
    "trap @Q EXIT; @C",
    "trap @Q DEBUG; true",
    "trap @Q ERR; false",
    // Programs that run programs.
    "env @S",
    "env x@N=1 @S",
    "env -u x@N @S",
    "env -i PATH=/bin @S",
    "env -C src @S",
    "env --chdir=src @S",
    "env -S '@S'",
    "env -S'@S'",
    "env --split-string='@S'",
    "env -- @S",
    "env sh -c @Q",
    "/bin/env @S",
    "timeout 5 @S",
    "timeout -k 1 5 @S",
    "timeout --signal=KILL 5s @S",
    "timeout 5 sh -c @Q",
    "nice @S",
    "nice -n 5 @S",
    "nice -5 @S",
    "nice --adjustment=3 @S",
    "nohup @S",
    "nohup -- @S",
    "setsid -w @S",
    "setsid --wait @S",
    "stdbuf -oL @S",
    "stdbuf --output=0 -e 0 @S",
    "time nice nohup timeout 5 env x@N=1 @S",
    "command @S",
    "command -- @S",
    "command -p @S",
    "builtin command @S",
    "(exec @S)",
    "(exec -a name @S)",
    "(exec -c @S)",
    "x@N=1 @S",
    "x@N=1 y@N=\"2 3\" @S",
    "x@N=1 y@N+=2 @S",
    "echo @W | xargs @S",
    "echo @W @W | xargs -n1 @S",
    "echo @W | xargs -I{} @P {} @W",
    "echo @W | xargs -i @P {}",
    "echo @W | xargs -I % @P a%b",
    "printf '@W\\0' | xargs -0 -r @S",
    "echo @W | xargs -L 1 -t @S",
    "echo @W | xargs -I{} sh -c '@P {}'",
    "echo @W | xargs env @S",
    "xargs -a a.txt @S",
    "find . -maxdepth 0 -exec @S \\;",
    "find . -maxdepth 0 -exec @S {} \\;",
    "find . -maxdepth 0 -exec @S {} +",
    "find . -maxdepth 0 -exec @S ';' -exec @S \\;",
    "find src -name '*.rs' -execdir @S {} \\;",
    "find . -maxdepth 0 -exec sh -c @Q \\;",
    "find . -maxdepth 0 \\( -name x -o -exec @S \\; \\)",
    "find . -maxdepth 0 -exec env @S \\;",
    "find . -maxdepth 1 -name a.txt | xargs @S",
    // Values.
    "x@N=@P; $x@N @W",
    "x@N=@P; \"$x@N\" @W",
    "x@N=@P; ${x@N} @W",
    "x@N='@P @W'; $x@N",
    "export x@N=@P; $x@N @W",
    "declare x@N=@P; $x@N @W",
    "x@N=@P y@N=@W; $x@N $y@N",
    "x@N=@W; @P $x@N",
    "x@N=@W; @P \"a $x@N b\"",
    "x@N=@P; x@N+=; $x@N @W",
    "x@N=@P; y@N=$x@N; $y@N @W",
    "a@N=(@P @W); \"${a@N[@]}\"",
    "a@N=(@W @P); ${a@N[1]} @W",
    "set -- @P @W; \"$@\"",
    "set -- @W; @P \"$1\"",
    "x@N=-@P; ${x@N#-} @W",
    "x@N=@P-; ${x@N%-} @W",
    "@P {@W,@W}",
    "/bin/@P @W",
    "/bin/../bin/@P @W",
    "@P *.txt",
    "@P src/*.rs ~ ~/x",
    "$'@P' @W",
    "@P $'@W\\x41'",
    "hash -p /bin/@P n@N; n@N @W",
];

/// Pieces in which what runs is data, or hidden in text that isn't looked into: it is enough that they aren't allowed.
const HIDING: &[&str] = &[
    "let 'x@N[$(@S; echo 1)]=1'",
    "test -v 'x@N[$(@S; echo 1)]'",
    "printf -v 'x@N[$(@S; echo 1)]' x",
    "x@N='a[$(@S; echo 1)]'; echo $((x@N))",
    "x@N='$(@S)'; echo \"${x@N@AP}\"",
    "PS4='$(@S)'; set -x; @S",
    "printf %s @Q | bash",
    ". <(echo @Q)",
    "source <(printf '%s\\n' @Q)",
    "bash <(echo @Q)",
    "mapfile -t -C @Q -c 1 x@N < a.txt",
    "shopt -s expand_aliases\nalias l@N='@S'\nl@N @W",
    "x@N=@P; y@N=x@N; ${!y@N} @W",
    "declare -n r@N=x@N; x@N=@P; $r@N @W",
    "$(echo @P) @W",
    "`echo @P` @W",
    "$(echo '@P @W')",
    "read -r x@N <<< @P; $x@N @W",
    "printf -v x@N %s @P; $x@N @W",
    "IFS=,; x@N=@P,@W; $x@N",
    "{@P,@W}",
    "$\"@P\" @W",
    "declare -A m@N=([k]=@P); ${m@N[k]} @W",
];

/// Spellings of a program's name.
const SPELLINGS: &[&str] = &["@", "@", "@", "@", "'@'", "\"@\"", "''@", "@\"\"", "\\@"];

/// Programs that are stand-ins: what the analysis knows well, and what it doesn't know at all.
const PROGRAMS: &[&str] = &[
    "rm -rf",
    "rm",
    "git push",
    "git status",
    "cargo test",
    "curl",
    "ls",
    "cp a.txt",
    "wc -l",
    "make",
    "alpha",
    "beta -x",
];

const DEPTH: usize = 3;

/// A source of commands: the same seed gives the same commands.
pub struct Grammar {
    random: u64,
    names: usize,
    hides: bool,
}

/// A composed command.
pub struct Composed {
    pub text: String,
    /// Whether it needn't be known what it runs.
    pub hides: bool,
}

impl Grammar {
    pub fn new(seed: u64) -> Self {
        Self { random: seed, names: 0, hides: false }
    }

    pub fn command(&mut self) -> Composed {
        self.hides = false;
        let piece = self.piece();
        let text = self.fill(piece, DEPTH);
        Composed { text, hides: self.hides }
    }

    fn piece(&mut self) -> &'static str {
        if self.below(20) == 0 {
            self.hides = true;
            return self.one_of(HIDING);
        }
        self.one_of(PIECES)
    }

    fn fill(&mut self, piece: &str, depth: usize) -> String {
        // One name for the whole piece, so that what is set is what is used.
        let (name, program) = (self.name(), self.program());
        let mut text = String::new();
        let mut parts = piece.split('@');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let mut rest = part.chars();
            match rest.next() {
                Some('S') => text.push_str(&self.simple()),
                Some('C') => {
                    let inner = self.any(depth);
                    // Two brackets on end may be arithmetic.
                    if text.ends_with('(') && inner.starts_with('(') {
                        text.push(' ');
                    }
                    text.push_str(&inner);
                }
                Some('Q') => text.push_str(&format!("'{}'", self.any(depth).replace('\'', "'\\''"))),
                Some('N') => text.push_str(&name),
                Some('P') => text.push_str(self.program()),
                Some('W') => text.push_str(&format!("w{}", self.name())),
                Some('R') => text.push_str(program),
                Some('A') => text.push('@'),
                // The shell's own.
                _ => {
                    text.push('@');
                    text.push_str(part);
                    continue;
                }
            }
            text.push_str(rest.as_str());
        }
        text
    }

    fn any(&mut self, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            let spelling = self.one_of(SPELLINGS);
            let simple = self.simple();
            let (program, rest) = simple.split_once(' ').unwrap_or((&simple, ""));
            return format!("{} {rest}", spelling.replace('@', program));
        }
        let piece = self.piece();
        let filled = self.fill(piece, depth - 1);
        // What stands after it must neither end up in a comment nor behind the end of a here-document.
        if piece.contains('#') || piece.contains('\n') { format!("{{ {filled}\n}}") } else { filled }
    }

    /// A program with its arguments, without anything that quotes couldn't hold.
    fn simple(&mut self) -> String {
        format!("{} w{}", self.one_of(PROGRAMS), self.name())
    }

    fn program(&mut self) -> &'static str {
        self.one_of(PROGRAMS).split(' ').next().unwrap_or_default()
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    fn one_of(&mut self, all: &'static [&'static str]) -> &'static str {
        let index = self.below(all.len() as u64);
        all[usize::try_from(index).expect("an index into a list")]
    }

    fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
