//! Wildcards, what is moved, and searches, on a real file system with real links.

use std::{fs, os::unix::fs::symlink};

use missiond_policy::{Decision, Layer, NoLinks, Policies, Policy, Surroundings, ToolCall};
use serde_json::json;

use crate::paths::world;

/// Judges a command in a world of its own, by the rules.
fn judge_in(surroundings: &Surroundings, rules: &str, command: &str) -> Decision {
    let policies =
        Policies::new([Policy::parse(&format!("version = 1\n{rules}"), "p", Layer::User).unwrap()]);
    let call = ToolCall::new("Bash", json!({ "command": command }), &surroundings.workspace);
    policies.unwrap().judge(&call, surroundings).decision
}

#[test]
fn s5_a_wildcard_is_judged_by_everything_it_matches() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    let home = surroundings.home.as_ref().unwrap();
    for name in ["linked", "many", "dashed", "deep/conf.d", "none"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    for name in
        ["a.rs", "deep/a.rs", "deep/conf.d/a.rs", "linked/a.rs", "private.md", "public.md", "dashed/-f.rs"]
    {
        fs::write(ws.join(name), "").unwrap();
    }
    for count in 0..600 {
        fs::write(ws.join(format!("many/{count}.rs")), "").unwrap();
    }
    symlink(home.join(".ssh/id_rsa"), ws.join("linked/evil.rs")).unwrap();
    symlink(home, ws.join("linked/rootlink.d")).unwrap();
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, rules, command), expected, "{rules} {command}");
    };
    use Decision::{Allow, Ask, Deny};
    // A match that is a link is judged by where it leads.
    check("", "cat linked/evil.rs", Deny);
    check("", "head -3 linked/ev*.rs", Deny);
    check("", "cat linked/*.rs", Deny);
    check("", "cd linked && cat *.rs", Deny);
    check("", "ls && cat linked/*.rs", Deny);
    check("", "grep -r x linked/*.d", Ask);
    check("", "cat linked/a*.rs", Allow);
    check("", "cat deep/*.rs", Allow);
    check("", "grep -r x deep/*.d", Allow);
    // A rule that names a match holds, also where the wildcard itself is let pass by another rule.
    check("deny = ['Read(private.md)']", "cat *.md", Deny);
    check("deny = ['Read(private.md)']", "cat pub*.md", Allow);
    check("ask = ['Read(private.md)']", "cat *.md", Ask);
    check("deny = ['Read(private.md)']\nallow = ['Bash(cat:*)']", "cat p*", Deny);
    check("deny = ['Read(./deep/a.rs)']\nallow = ['Bash(cat:*)']", "cat d*/a.rs", Deny);
    check("deny = ['Edit(private.md)']\nallow = ['Bash(rm:*)']", "rm p*.md", Deny);
    check("deny = ['Read(private.md)']", "sh -c 'cat *.md'", Deny);
    // A wildcard before the files may stand for several words.
    check("", "cd linked && grep *.rs", Deny);
    check("deny = ['Read(private.md)']", "grep *.md", Deny);
    // What can't be told is asked.
    // Without a match the pattern stands for itself.
    check("", "cat none/*.rs", Allow);
    check("", "cat missing/*.rs", Allow);
    check("", "cat many/*.rs", Ask);
    check("", "cat many/1*.rs", Allow);
    check("", "cd dashed && cat *.rs", Ask);
    check("", "cat dashed/*.rs", Allow);
    let call = ToolCall::new("Bash", json!({ "command": "cat deep/*.rs" }), ws);
    assert_eq!(Policies::default().judge_with(&call, &surroundings, &NoLinks).decision, Ask);
}

#[test]
fn s3_a_rule_holds_for_the_directories_above_what_it_names() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["migrations/v1", "src/gen", "config/secrets", "secrets", "other/src/gen"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    symlink("migrations", ws.join("m")).unwrap();
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, rules, command), expected, "{rules} {command}");
    };
    use Decision::{Allow, Ask, Deny};
    for (rule, directory) in
        [("migrations/v1/**", "migrations"), ("/src/gen/**", "src"), ("./src/gen/*.rs", "src/gen")]
    {
        for command in [
            "rm -rf DIR",
            "rm -rf ./DIR/",
            "mv DIR elsewhere",
            "git mv DIR elsewhere",
            "git rm -r DIR",
            "git restore DIR",
            "git checkout -- DIR",
            "git checkout HEAD~1 -- DIR",
            "git checkout DIR",
            "chmod -R 777 DIR",
            "ls && rm -rf DIR",
            "sh -c 'rm -rf DIR'",
            "chown -R dev DIR",
            "git clean -fdx DIR",
            "git stash push DIR",
            "git stash push -m x -- DIR",
            "git rm -r --unknown DIR",
            "find DIR -name x -delete",
        ] {
            let command = command.replace("DIR", directory);
            check(&format!("deny = ['Edit({rule})']"), &command, Deny);
            check(&format!("ask = ['Edit({rule})']"), &command, Ask);
        }
        // Beside it, and what leaves it as it is.
        for command in
            ["rm -rf target", "ls -R DIR", "mkdir -p DIR", "git restore --staged DIR", "git add DIR"]
        {
            check(&format!("deny = ['Edit({rule})']"), &command.replace("DIR", directory), Allow);
        }
    }
    check("deny = ['Edit(migrations/v1/**)']", "rm -rf m", Deny);
    check("deny = ['Edit(migrations/v1/**)']", "rm -rf MIGRATIONS", Deny);
    check("deny = ['Edit(migrations/v1/**)']", "rm -rf m*", Deny);
    check("deny = ['Edit(migrations/v1/**)']", "touch migrations/v2", Allow);
    check("deny = ['Edit(*.lock)']", "rm -rf src", Allow);
    // What is copied over a directory with everything in it.
    check("deny = ['Edit(/src/gen/**)']", "cp -r other/src .", Deny);
    check("deny = ['Edit(/src/gen/**)']", "cp -rT other/src src", Deny);
    check("deny = ['Edit(/src/gen/**)']", "cp -r other/src/. src", Deny);
    check("deny = ['Edit(/new/gen/**)']", "cp -r other/src new", Deny);
    check("deny = ['Edit(/src/gen/**)']", "cp -r other src", Allow);
}

#[test]
fn s3_what_is_moved_is_read() {
    let (_dir, surroundings) = world();
    for name in ["secrets", "config/secrets"] {
        fs::create_dir_all(surroundings.workspace.join(name)).unwrap();
    }
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, rules, command), expected, "{rules} {command}");
    };
    use Decision::{Allow, Ask, Deny};
    check("deny = ['Read(./secrets/**)']", "mv secrets s2", Deny);
    check("deny = ['Read(./secrets/**)']", "mv secrets s2 && cat s2/prod.txt", Deny);
    check("deny = ['Read(./secrets/**)']", "git mv secrets s2", Deny);
    check("deny = ['Read(./secrets/**)']", "mv secrets/prod.txt x", Deny);
    check("deny = ['Read(./secrets/**)']", "mv -t x secrets", Deny);
    check("deny = ['Read(./secrets/**)']", "mv --unknown secrets x", Deny);
    check("ask = ['Read(./secrets/**)']", "mv secrets s2", Ask);
    // The directory above takes it along, by moving and by copying.
    check("deny = ['Read(./config/secrets/**)']", "mv config c2", Deny);
    check("deny = ['Read(./config/secrets/**)']", "cp -r config c2", Deny);
    check("deny = ['Read(./config/secrets/**)']", "cp -a . /tmp/copy", Deny);
    check("deny = ['Read(./config/secrets/**)']", "mv src s2", Allow);
    check("deny = ['Read(./secrets/**)']", "rm -rf secrets", Allow);
}

#[test]
fn s5_a_path_that_an_earlier_part_of_a_command_may_have_changed_is_asked() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["dir", "docs", ".git"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    for name in ["a.txt", "b.txt", "docs/x.md", "dir/file"] {
        fs::write(ws.join(name), "").unwrap();
    }
    symlink("../..", ws.join("dir/h")).unwrap();
    symlink("a.txt", ws.join("alias.txt")).unwrap();
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, rules, command), expected, "{rules} {command}");
    };
    use Decision::{Allow, Ask};
    for command in [
        "mv dir dir3 && touch dir3/h/outside",
        "mv dir dir3; touch dir3/h/outside",
        "mv dir dir3 | touch dir3/h/outside",
        "touch dir3/h/outside | mv dir dir3",
        "mv dir dir3 && cd dir3/h && touch outside",
        "mv dir dir3 && cd dir3 && touch h/outside",
        "mv dir docs && cat docs/dir/h/x",
        "mv -t docs dir && cat docs/dir/h/x",
        "mv di* docs && cat docs/dir/h/x",
        "mv -T dir docs && cat docs/h/x",
        "rm -rf docs && mv dir docs && cat docs/h/x",
        "mv docs d2 && mv dir docs && cat docs/h/x",
        "cp -a dir dir2 && cat dir2/link/shadow",
        "cp -r dir/. docs && cat docs/h/x",
        "cp -r dir docs && cat docs/dir/h/x",
        "cp -a dir d2 && mv d2/h l && cat l/x",
        "cp -a dir d2 && cp -a d2 d3 && cat d3/h/x",
        "mv alias.txt docs && cat docs/alias.txt",
        "mv alias.txt x.rs && cat *.rs",
        "git mv dir d4 && cat d4/link/shadow",
        "git checkout other && cat src/a.rs",
        "git checkout -b x origin/main && cat src/a.rs",
        "git switch other && touch new/x",
        "git merge topic && cat README.md",
        "git stash && cat docs/x.md",
        "git cherry-pick abc && ls src",
        "git checkout HEAD~1 -- docs && cat docs/x.md",
        "git restore -s HEAD~1 docs && cat docs/x.md",
        "git checkout other && cat src/*.rs",
        "git checkout other && cd src && ls",
        "git checkout other && git commit -F msg.txt",
        "mv dir repo && git -C repo status",
        "mv dir repo && cd repo && git status",
    ] {
        check("", command, Ask);
    }
    // A rule that lets a command pass says nothing of where its paths lead.
    check("allow = ['Bash(cat:*)', 'Bash(ln:*)']", "ln -s /etc x && cat x/hosts", Ask);
    check("allow = ['Bash(cat:*)', 'Bash(tar:*)']", "tar xf a.tar && cat x/hosts", Ask);
    check("allow = ['Bash(cat:*)', 'Bash(git pull:*)']", "git pull && cat x/hosts", Ask);
    check("allow = ['Bash(timeout:*)']", "timeout 5 mv dir dir3 && touch dir3/h/outside", Ask);
    // What is known to stay as it is.
    for command in [
        "mv a.txt c.txt && cat c.txt",
        "mv a.txt b.txt && cat b.txt",
        "mv a.txt docs && cat docs/a.txt",
        "mv a.txt c.txt && mv c.txt d.txt",
        "mv dir dir3 && ls dir3",
        "mv dir dir3 && cat docs/x.md",
        "cp -r docs backup && ls backup",
        "cp -r a.txt c.txt && cat c.txt",
        "cp a.txt c.txt && cat c.txt",
        "cp -r dir docs && cat docs/x.md",
        "cp -r docs copy && cat copy/x.md && rm -rf copy",
        "cp -r dist dist2; diff -rq dist dist2",
        "mkdir c && cp -r docs c/ && cat c/docs/x.md; rm -rf c",
        "mkdir -p new && cp a.txt new && cat new/a.txt",
        "rm -rf docs && mkdir docs && touch docs/y",
        "git checkout -b x && cargo test",
        "git checkout -b x && touch src/new.rs",
        "git switch -c x && cat src/a.rs",
        "git checkout other && cargo test config::tests",
        "git checkout other && git merge topic",
        "git checkout other && git add src/a.rs && git commit -m x",
        "git checkout other && ls && rg TODO",
        "git checkout other && rg TODO .",
        "git checkout -- docs/x.md && cat a.txt",
        "git restore --staged docs && cat docs/x.md",
        "git stash list && cat a.txt",
        "cd src && git stash && cargo test",
        "git add -A && git commit -m x",
        "git add -A && git commit -m x && cat a.txt",
        "git fetch && git log origin/main && cat a.txt",
        "git mv a.txt c.txt && cat c.txt",
    ] {
        check("", command, Allow);
    }
    // Where nothing can be told of what is moved.
    let call = ToolCall::new("Bash", json!({ "command": "mv a.txt c.txt && cat c.txt" }), ws);
    assert_eq!(Policies::default().judge_with(&call, &surroundings, &NoLinks).decision, Ask);
}

#[test]
fn hostile_wildcards_and_moves_are_judged_in_time() {
    let (_dir, surroundings) = world();
    for directory in 0..40 {
        let directory = surroundings.workspace.join(format!("many/{directory}"));
        fs::create_dir_all(&directory).unwrap();
        for file in 0..100 {
            fs::write(directory.join(format!("{file}.rs")), "").unwrap();
        }
    }
    for command in [
        "cat many/0/*.rs ".repeat(2000),
        "cat many/*/*".to_owned(),
        "cat many/*/*/*/*/*/*/*/*/* ".repeat(1000),
        "mv a b;".repeat(4000),
        "mv a b|".repeat(4000) + "cat b",
        (0..400).map(|n| format!("mv a{n} b{n};")).collect::<String>() + &"ls x;".repeat(4000),
    ] {
        let start = std::time::Instant::now();
        let decision = judge_in(&surroundings, "", &command);
        // The first is long and otherwise harmless.
        let harmless = command.starts_with("cat many/0/*.rs");
        assert_eq!(decision == Decision::Allow, harmless, "{}…", &command[..20.min(command.len())]);
        let took = start.elapsed();
        assert!(
            took < std::time::Duration::from_secs(5),
            "{took:?} for {}…",
            &command[..20.min(command.len())]
        );
    }
}

#[test]
fn a_search_of_a_directory_that_holds_an_env_file_is_asked() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["app", "visible", "clean", "giant", "other"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    for name in [
        "app/.env",
        "app/a.rs",
        "visible/prod.env",
        "clean/.env.example",
        "clean/a.rs",
        "giant/.env",
        "other/a",
    ] {
        fs::write(ws.join(name), "").unwrap();
    }
    for count in 0..4200 {
        fs::write(ws.join(format!("giant/{count}")), "").unwrap();
    }
    let check = |rules: &str, command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, rules, command), expected, "{rules} {command}");
    };
    use Decision::{Allow, Ask, Deny};
    for command in [
        "grep -r x DIR",
        "grep -rn x DIR",
        "grep -nr x DIR",
        "grep --recursive x DIR",
        "grep --rec x DIR",
        "grep -d recurse x DIR",
        "grep -drecurse x DIR",
        "grep -nd recurse x DIR",
        "grep --directories=recurse x DIR",
        "grep --directories recurse x DIR",
        "egrep -r x DIR",
        "fgrep -rn x DIR",
        "cd DIR && grep -rn x",
        "cd DIR && grep -rn x .",
        "ls | grep -r x DIR",
        "grep -r --exclude=a.rs --include=*.rs x DIR",
        "grep -r --exclude-dir=target x DIR",
        "diff -r --no-dereference DIR other",
        "git grep --untracked x DIR",
    ] {
        check("", &command.replace("DIR", "app"), Ask);
        check("", &command.replace("DIR", "giant"), Ask);
        // Not lifted by a rule for the command, nor by the loosest preset; and a rule for the file holds.
        check("preset = 'permissive'\nallow = ['Bash']", &command.replace("DIR", "app"), Ask);
        check("allow = ['Bash(grep:*)']", &command.replace("DIR", "app"), Ask);
        check("deny = ['Read(.env)']", &command.replace("DIR", "app"), Deny);
        check("preset = 'permissive'\nallow = ['Read(./app/.env)']", &command.replace("DIR", "app"), Allow);
    }
    for command in [
        "grep -rn x clean",
        "grep -rn x src",
        "grep -rn --include=*.rs x app",
        "grep -rn --exclude-dir=target --include=*.rs x app",
        "grep -rn --exclude=.env x app",
        "grep -rn '--exclude=.env*' x app",
        "grep x app/a.rs",
        "cd app && ls | grep x",
        "cd app && ls | grep -e recursive",
        "cd app && ls | grep -A 3 -d skip x",
        "rg x app",
        "cd app && rg x",
        "rg -t rust x visible",
        "rg -g '*.rs' x visible",
        "rg --files app",
        "git grep x app",
        "ls -R app",
    ] {
        check("", command, Allow);
    }
    check("", "rg x visible", Ask);
}

#[test]
fn links_below_a_directory_keep_a_search_from_following_them() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["plain/deep", "linked/deep", "other"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    fs::write(ws.join("plain/deep/a.rs"), "").unwrap();
    symlink("../../..", ws.join("linked/deep/up")).unwrap();
    for command in
        ["grep -R x DIR", "grep -RIl x DIR", "grep --dereference-recursive x DIR", "diff -r DIR other"]
    {
        assert_eq!(
            judge_in(&surroundings, "", &command.replace("DIR", "plain")),
            Decision::Allow,
            "{command}"
        );
        assert_eq!(
            judge_in(&surroundings, "", &command.replace("DIR", "linked")),
            Decision::Ask,
            "{command}"
        );
    }
    for command in ["grep -r x linked", "diff -rq linked other", "diff -r --no-dereference linked other"] {
        assert_eq!(judge_in(&surroundings, "", command), Decision::Allow, "{command}");
    }
}

#[test]
fn a_loop_over_directories_goes_into_each_that_is_there() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["packages/a", "packages/b", "linked/a"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    symlink("../..", ws.join("linked/up")).unwrap();
    let check = |command: &str, expected: Decision| {
        assert_eq!(judge_in(&surroundings, "", command), expected, "{command}");
    };
    check("for d in packages/*/; do (cd \"$d\" && rm -rf dist && npm test); done", Decision::Allow);
    check("for d in packages/*/; do (cd \"$d\" && rm -rf ../../../ws-evil); done", Decision::Deny);
    check("for d in linked/*/; do (cd \"$d\" && rm -rf dist); done", Decision::Deny);
    check("cd packages/*/ && rm -rf dist", Decision::Ask);
}

#[test]
fn names_with_blanks_are_asked_where_they_are_taken_apart() {
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for name in ["plain/a b", "turned/x /etc", "up/x .. y", "option"] {
        fs::create_dir_all(ws.join(name)).unwrap();
    }
    fs::write(ws.join("turned/x /etc/hosts"), "").unwrap();
    fs::write(ws.join("option/a -rf.log"), "").unwrap();
    let check = |command: &str, place: &str, expected: Decision| {
        let command = command.replace("DIR", place);
        assert_eq!(judge_in(&surroundings, "", &command), expected, "{command}");
    };
    for parting in [
        "find DIR -type f | xargs cat",
        "find DIR -name '*.log' | xargs rm -f",
        "for f in $(find DIR -type f); do cat \"$f\"; done",
        "cat $(find DIR -type f)",
    ] {
        check(parting, "plain", Decision::Allow);
        for place in ["turned", "up", "option"] {
            check(parting, place, Decision::Ask);
        }
    }
    for whole in [
        "find DIR -type f -print0 | xargs -0 cat",
        "find DIR -type f | while read -r f; do cat \"$f\"; done",
        "mapfile -t a < <(find DIR -type f); cat \"${a[@]}\"",
        "find DIR -type f -exec cat {} +",
    ] {
        for place in ["plain", "turned", "up", "option"] {
            check(whole, place, Decision::Allow);
        }
    }
}

#[test]
fn s5_what_lies_in_a_directory_that_is_copied_is_looked_at() {
    use Decision::{Allow, Ask, Deny};
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    for file in [
        "plain/a.rs",
        "hooks/.git/hooks/pre-commit",
        "settings/.claude/settings.json",
        "tasks/.vscode/tasks.json",
    ] {
        let path = ws.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    for (command, least) in [
        ("cp -r plain/. .", Allow),
        ("cp -r hooks/. .", Ask),
        ("cp -a hooks/. ./", Ask),
        ("cp -rT hooks .", Ask),
        ("cp -r settings/. .", Ask),
        ("cp -r tasks/. .", Ask),
    ] {
        let decision = judge_in(&surroundings, "", command);
        assert!(
            if least == Allow { decision == Allow } else { decision >= least },
            "{command}: {decision:?}"
        );
    }
    assert_eq!(judge_in(&surroundings, "", "cp -r hooks/. ."), Deny);
}

#[test]
fn s5_links_among_found_files_are_followed_and_odd_names_taken_apart() {
    use Decision::{Allow, Ask};
    let (_dir, surroundings) = world();
    let ws = &surroundings.workspace;
    let home = surroundings.home.as_ref().unwrap();
    for file in ["plain/a.log", "plain/a.txt", "linked/a.log", "keys/a.txt", "odd/.\\./b.log"] {
        let path = ws.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(home.join("notes.log"), "").unwrap();
    fs::create_dir(ws.join("many")).unwrap();
    for count in 0..4100 {
        fs::write(ws.join(format!("many/{count}.txt")), "").unwrap();
    }
    symlink(home.join("notes.log"), ws.join("linked/notes.log")).unwrap();
    symlink(home.join(".ssh/id_rsa"), ws.join("keys/x.txt")).unwrap();
    for (command, allowed) in [
        ("find plain -name '*.log' -exec truncate -s 0 {} +", true),
        ("find linked -name '*.log' -exec truncate -s 0 {} +", false),
        ("find plain -name '*.txt' -exec cat {} +", true),
        ("find keys -name '*.txt' -exec cat {} +", false),
        // What is too much to look through may hold a link.
        ("find many -name '*.txt' -exec cat {} +", false),
        ("for f in $(find keys -name '*.txt'); do cat $f; done", false),
        ("find plain -name '*.log' | xargs rm", true),
        ("find odd -name '*.log' | xargs rm", false),
    ] {
        let decision = judge_in(&surroundings, "", command);
        assert!(if allowed { decision == Allow } else { decision >= Ask }, "{command}: {decision:?}");
    }
}
