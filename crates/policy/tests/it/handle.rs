//! Files, replacement while in force, and what threads may share.

use std::{fs, sync::Arc};

use missiond_policy::{
    ErrorKind, Layer, Policies, Policy, PolicyHandle, Preset, Surroundings, ToolCall, Verdict, hook,
};

fn read(path: &std::path::Path) -> Result<Policies, missiond_policy::Error> {
    Policies::new([Policy::read(path, Layer::Project)?])
}

#[test]
fn s4_a_faulty_file_never_replaces_the_policy_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.toml");
    fs::write(&file, "version = 1\npreset = \"strict\"\ndeny = [\"WebSearch\"]\n").unwrap();
    let handle = PolicyHandle::new(read(&file).unwrap());
    let before = handle.current();

    for fault in ["version = 1\ndney = [\"Bash\"]\n", "version = 1\ndeny = [\"Bash(\"]", "nonsense", ""] {
        fs::write(&file, fault).unwrap();
        let error = handle.reload(|| read(&file)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{fault:?}: {error}");
        assert!(error.to_string().starts_with(&format!("{}:", file.display())), "{error}");
        assert!(Arc::ptr_eq(&before, &handle.current()), "{fault:?} replaced the policy");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(handle.reload(|| read(&file)).unwrap_err().kind(), ErrorKind::Missing);
    assert!(Arc::ptr_eq(&before, &handle.current()));
    fs::write(&file, b"version = 1 # \xff").unwrap();
    assert_eq!(handle.reload(|| read(&file)).unwrap_err().kind(), ErrorKind::Unreadable);
    assert_eq!(handle.current().preset(), Preset::Strict);

    fs::write(&file, "version = 1\npreset = \"read-only\"\n").unwrap();
    handle.reload(|| read(&file)).unwrap();
    assert_eq!(handle.current().preset(), Preset::ReadOnly);
}

#[test]
fn a_file_over_the_limit_is_refused_without_being_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.toml");
    let text = format!("version = 1\n# {}", "x".repeat(missiond_policy::MAX_POLICY_BYTES));
    fs::write(&file, text).unwrap();
    let error = read(&file).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
}

#[test]
fn c4_everything_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Policies>();
    shared::<PolicyHandle>();
    shared::<Policy>();
    shared::<Verdict>();
    shared::<ToolCall>();
    shared::<Surroundings>();
    shared::<missiond_policy::Error>();
    shared::<hook::HookEvent>();
    shared::<hook::HookError>();
}
