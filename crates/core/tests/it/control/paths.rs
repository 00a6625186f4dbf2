//! Directories of a project, and those that are refused.

use std::os::unix::fs::{PermissionsExt, symlink};

use missiond_core::control::{PathsError, ProjectPaths};

use super::support::Project;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_made_is_ours_alone() {
    let project = Project::new();
    let slot = "one".parse().unwrap();
    project.paths.prepare().unwrap();
    project.paths.prepare().unwrap();
    let settings = project.paths.write_hook_settings(&slot, b"{}").unwrap();
    let again = project.paths.write_hook_settings(&slot, b"{\"a\":1}").unwrap();
    assert_eq!((&settings, std::fs::read(&again).unwrap().as_slice()), (&again, &b"{\"a\":1}"[..]));
    assert_eq!(mode(&settings), 0o600);
    for directory in [&project.paths.slot_dir(&slot), &project.paths.logs_dir(), project.paths.runtime_dir()]
    {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
    let in_slot = std::fs::read_dir(project.paths.slot_dir(&slot)).unwrap().count();
    assert_eq!(in_slot, 1, "a draft was left behind");
}

#[test]
fn one_project_has_one_place_whatever_way_leads_there() {
    let project = Project::new();
    let link = project.directory.path().join("link");
    symlink(project.root(), &link).unwrap();
    let other_way = ProjectPaths::with_runtime_base(&link, project.base()).unwrap();
    assert_eq!(other_way, project.paths);
    let neighbour = ProjectPaths::with_runtime_base(project.base(), project.base()).unwrap();
    assert_ne!(neighbour.control_socket(), project.paths.control_socket());
    assert_ne!(neighbour.session_scope(), project.paths.session_scope());
}

#[test]
fn a_directory_that_others_could_use_is_refused_and_left_alone() {
    let check = |spoil: &dyn Fn(&std::path::Path), expected: fn(&PathsError) -> bool| {
        let project = Project::new();
        let runtime = project.base().join("missiond");
        spoil(&runtime);
        let error = project.paths.prepare().unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(error.to_string().contains(runtime.to_str().unwrap()), "{error}");
        assert!(project.paths.check_runtime_dir().is_err());
        assert!(!project.paths.runtime_dir().exists(), "something was made in it");
    };
    check(&|path| symlink("/tmp", path).unwrap(), |error| matches!(error, PathsError::Symlink { .. }));
    check(&|path| symlink("/nowhere", path).unwrap(), |error| matches!(error, PathsError::Symlink { .. }));
    check(&|path| std::fs::write(path, "").unwrap(), |error| {
        matches!(error, PathsError::NotADirectory { .. })
    });
    for open in [0o755, 0o770, 0o701, 0o1700] {
        let spoil = |path: &std::path::Path| {
            std::fs::create_dir(path).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(open)).unwrap();
        };
        check(&spoil, |error| matches!(error, PathsError::Open { .. }));
    }
}

#[test]
fn a_directory_of_another_project_is_refused() {
    let project = Project::new();
    project.paths.prepare().unwrap();
    std::fs::write(project.paths.runtime_dir().join("project"), "/elsewhere").unwrap();
    let error = project.paths.prepare().unwrap_err();
    assert!(matches!(&error, PathsError::Claimed { by, .. } if by == "/elsewhere"), "{error:?}");
}

#[test]
fn every_socket_fits_into_its_108_bytes() {
    let project = Project::new();
    let longest = "s".repeat(64).parse().unwrap();
    for base in ["/", "/run/user/4294967295", &format!("/{}", "d".repeat(37))] {
        let paths = ProjectPaths::with_runtime_base(project.root(), base).unwrap();
        for socket in [paths.control_socket(), paths.gate_socket(&longest)] {
            assert!(socket.as_os_str().len() <= 107, "{}", socket.display());
        }
    }
    for base in [format!("/{}", "d".repeat(38)), format!("/{}", "d".repeat(300)), "relative".to_owned()] {
        let error = ProjectPaths::with_runtime_base(project.root(), &base).unwrap_err();
        assert!(matches!(error, PathsError::UnusableBase { .. }), "{base}: {error:?}");
    }
}

#[test]
fn a_root_that_is_no_directory_is_named() {
    let project = Project::new();
    let file = project.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for root in [&file, &project.directory.path().join("missing")] {
        let error = ProjectPaths::new(root).unwrap_err();
        assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
    }
}
