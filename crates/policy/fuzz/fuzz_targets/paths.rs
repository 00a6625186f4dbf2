#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use missiond_policy::{Access, Place, place_of};
use missiond_policy_fuzz::{Written, surroundings};

// The path, the directory it starts from, and then links and where they lead, one a line.
fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let (Some(path), Some(cwd)) = (lines.next(), lines.next()) else { return };
    let mut links = Vec::new();
    while let (Some(link), Some(target)) = (lines.next(), lines.next()) {
        links.push((link.into(), target.into()));
    }
    let links = Written(links);
    let surroundings = surroundings();
    for access in [Access::Read, Access::Write, Access::Delete] {
        let place = |path: &str| place_of(path, Path::new(cwd), access, &surroundings, &links);
        let found = place(path);
        assert_eq!(found, place(path), "{path:?} isn't always in the same place");
        if !path.is_empty() && !path.starts_with('/') && cwd.starts_with('/') {
            let absolute = format!("{}/{path}", cwd.trim_end_matches('/'));
            let below = place(&absolute);
            // The longer spelling may be too long.
            assert!(
                found == below || below.is_err(),
                "{path:?} in {cwd:?}: {found:?}, and {absolute:?}: {below:?}"
            );
        }
        // Whoever may not read may not write, and where nothing is protected from deletion nothing is from a change.
        if access == Access::Write && matches!(found, Ok(Place::Workspace)) {
            let read = place_of(path, Path::new(cwd), Access::Read, &surroundings, &links);
            assert!(!matches!(read, Ok(Place::Elsewhere)), "{path:?} is in the workspace for writing alone");
        }
    }
});
