//! The presets as documented data.

use std::{collections::HashSet, fs};

use missiond_policy::{Decision, Policies, Policy, Preset, presets_markdown};

use crate::{
    commands::{STANDARD, rows},
    support::bash,
};

#[test]
fn the_documented_table_is_the_one_in_force() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PRESETS.md");
    let documented = fs::read_to_string(path).unwrap();
    let table = presets_markdown();
    assert!(documented.contains(&table), "{path} must hold this table:\n\n{table}");
}

#[test]
fn rows_have_unique_ids_and_each_preset_is_stricter_than_the_next() {
    let mut ids = HashSet::new();
    for row in Preset::table() {
        assert!(ids.insert(row.id), "{} is there twice", row.id);
        assert!(!row.what.is_empty());
        let decisions = Preset::ALL.map(|preset| preset.decides(row));
        assert!(decisions.is_sorted_by(|a, b| a >= b), "{}: {decisions:?}", row.id);
    }
}

#[test]
fn no_preset_is_looser_than_a_stricter_one_for_any_command_of_the_table() {
    let presets = Preset::ALL.map(|preset| Policies::new([Policy::preset(preset)]).unwrap());
    for (_, command) in rows(STANDARD) {
        let decisions = presets.each_ref().map(|policies| bash(policies, &command).decision);
        assert!(decisions.is_sorted_by(|a, b| a >= b), "{command:?}: {decisions:?}");
    }
}

#[test]
fn presets_decide_as_described() {
    let presets = Preset::ALL.map(|preset| Policies::new([Policy::preset(preset)]).unwrap());
    let check = |command: &str, expected: [Decision; 4]| {
        let decisions = presets.each_ref().map(|policies| bash(policies, command).decision);
        assert_eq!(decisions, expected, "{command:?}");
    };
    use Decision::{Allow as A, Ask as Q, Deny as D};
    check("ls", [A, A, A, A]);
    check("git status", [A, A, A, A]);
    check("grep -rn TODO src", [A, A, A, A]);
    check("cargo test", [D, Q, A, A]);
    check("cd /tmp && make", [D, Q, Q, Q]);
    check("git commit -m x", [D, Q, A, A]);
    check("mkdir a", [D, Q, A, A]);
    check("rm -rf target", [D, Q, A, A]);
    check("cat /etc/hosts", [Q, Q, A, A]);
    check("touch /opt/x", [D, D, D, Q]);
    check("unknown-tool", [Q, Q, Q, A]);
    check("git push", [D, Q, Q, Q]);
    check("npm install x", [D, Q, Q, Q]);
    check("curl https://example.com", [Q, Q, Q, A]);
    check("timeout 5 ls", [A, A, A, A]);
    check("timeout 5 frob", [Q, Q, Q, A]);
    check("./run.sh", [D, Q, A, A]);
    check("python -c 1", [Q, Q, Q, Q]);
    check("echo $X", [Q, Q, Q, Q]);
    check("cat .env", [Q, Q, Q, Q]);
    check("cat ~/.ssh/id_rsa", [D, D, D, D]);
    check("rm -rf /", [D, D, D, D]);
    check("rm -rf ~", [D, D, D, D]);
    check("rm -rf /usr", [D, D, D, D]);
    check("sudo ls", [D, D, D, D]);
    check("pkill node", [D, D, D, D]);
    check("missiond approve 1", [D, D, D, D]);
    check("dd if=/dev/zero of=/dev/sda", [D, D, D, D]);
}
