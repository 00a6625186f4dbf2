//! Names that are protected wherever they stand, as data.

use std::path::Path;

use super::place::{Access, Protection};

/// Directories and files, as runs of components, that hold keys or credentials; so does everything in them.
pub(super) const CREDENTIALS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".oci",
    ".kube",
    ".password-store",
    ".mozilla",
    ".thunderbird",
    ".config/gcloud",
    ".config/gh",
    ".config/hub",
    ".config/op",
    ".config/sops",
    ".config/rclone",
    ".config/chromium",
    ".config/google-chrome",
    ".config/github-copilot",
    ".config/git/credentials",
    ".config/containers/auth.json",
    ".docker/config.json",
    ".terraform.d/credentials.tfrc.json",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".subversion/auth",
    ".m2/settings-security.xml",
    ".local/share/keyrings",
    ".local/share/opencode/auth.json",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".gemini/oauth_creds.json",
    "etc/shadow",
    "etc/shadow-",
    "etc/gshadow",
    "etc/gshadow-",
    "etc/sudoers",
    "etc/sudoers.d",
    "etc/ssl/private",
    "run/secrets",
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".vault-token",
    ".htpasswd",
    ".terraformrc",
    ".boto",
    ".s3cfg",
    ".dockercfg",
    ".claude.json",
];

/// Extensions of key files and key stores.
pub(super) const KEY_EXTENSIONS: &[&str] = &["pem", "key", "p12", "pfx", "kdbx", "jks", "keystore", "ppk"];

/// Names of private keys that `ssh-keygen` makes, without what follows.
pub(super) const KEY_NAMES: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_xmss"];

/// Endings of an `.env` file that say that it holds no secrets.
const ENV_SAMPLES: &[&str] = &[".example", ".sample", ".template", ".dist"];

/// Settings in which an agent's hooks could be switched off.
const AGENT_SETTINGS: &[&str] = &[
    ".codex/config.toml",
    ".codex/hooks.json",
    ".codex/rules",
    ".gemini/settings.json",
    ".opencode/plugin",
    "opencode.json",
    "opencode.jsonc",
    "etc/claude-code",
];

/// Starts of the names under which programs keep sockets and private files in a temporary directory.
const RUNTIME: &[&str] = &[
    "missiond-",
    "tmux-",
    "ssh-",
    "gpg-",
    "dbus-",
    "keyring-",
    "pulse-",
    "systemd-private-",
    "snap-private-tmp",
    ".x11-unix",
    ".ice-unix",
    ".xim-unix",
    ".font-unix",
];

/// Files and directories that later run code by themselves.
const STARTUP_CODE: &[&str] = &[
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".zlogout",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".login",
    ".inputrc",
    ".gitconfig",
    ".config/git",
    ".vimrc",
    ".exrc",
    ".nvimrc",
    ".config/nvim",
    ".emacs",
    ".emacs.d",
    ".dir-locals.el",
    ".tmux.conf",
    ".screenrc",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".pam_environment",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".curlrc",
    ".wgetrc",
    ".pdbrc",
    ".gdbinit",
    ".lldbinit",
    ".rprofile",
    ".irbrc",
    ".pryrc",
    "sitecustomize.py",
    "usercustomize.py",
    ".config/fish",
    ".config/systemd",
    ".config/autostart",
    ".config/environment.d",
    ".local/bin",
    ".vscode",
    ".idea",
    ".devcontainer",
    ".husky",
    ".githooks",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    "lefthook.yaml",
    ".claude",
    ".codex",
    ".gemini",
    ".mcp.json",
];

/// The strictest protection that the names in a path ask for.
///
/// Names are compared without regard to case, since the file system may do so too.
pub(super) fn by_name(path: &Path, access: Access) -> Option<Protection> {
    let absolute = path.is_absolute();
    let lower = path.to_string_lossy().to_lowercase();
    let names: Vec<&str> = lower.split('/').filter(|name| !name.is_empty()).collect();
    let last = *names.last()?;
    let changes = access != Access::Read;
    if holds_any(&names, CREDENTIALS) || is_key(last) {
        return Some(Protection::Credentials);
    }
    if absolute && last == ".npmrc" {
        return Some(Protection::Credentials);
    }
    if changes && (is_claude_settings(&names) || holds_any(&names, AGENT_SETTINGS)) {
        return Some(Protection::AgentSettings);
    }
    // Whoever takes a directory away takes what is protected in it along.
    if access == Access::Delete && (last == ".claude" || is_ancestor(&names, AGENT_SETTINGS, absolute)) {
        return Some(Protection::AgentSettings);
    }
    if changes && absolute && is_ancestor(&names, CREDENTIALS, absolute) {
        return Some(Protection::Credentials);
    }
    if changes && names.contains(&".git") {
        return Some(Protection::Git);
    }
    if absolute && ["proc", "sys", "dev"].contains(&names[0]) {
        return Some(Protection::Kernel);
    }
    if changes && names.contains(&".missiond") {
        return Some(Protection::ProjectPolicy);
    }
    let above = access == Access::Delete
        && [CREDENTIALS, STARTUP_CODE].iter().any(|table| is_ancestor(&names, table, absolute));
    if above
        || (changes && (holds_any(&names, STARTUP_CODE) || is_ancestor(&names, AGENT_SETTINGS, absolute)))
    {
        return Some(Protection::StartupCode);
    }
    is_environment(last).then_some(Protection::Environment)
}

/// Whether credentials are usually kept somewhere below a directory of this name.
pub(super) fn holds_credentials(path: &Path) -> bool {
    let lower = path.to_string_lossy().to_lowercase();
    let names: Vec<&str> = lower.split('/').filter(|name| !name.is_empty()).collect();
    is_ancestor(&names, CREDENTIALS, true)
}

/// Whether a program keeps sockets or private files under this name in a temporary directory.
pub(super) fn is_runtime_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    RUNTIME.iter().any(|start| lower.starts_with(start))
}

/// Whether the names end in the beginning of an entry. In the agent's own directories `etc` and `run` are names like any.
fn is_ancestor(names: &[&str], table: &[&str], absolute: bool) -> bool {
    table.iter().any(|entry| {
        let parts: Vec<&str> = entry.split('/').collect();
        let of_system = !entry.starts_with('.');
        (1..parts.len()).any(|length| {
            names.ends_with(&parts[..length]) && (!of_system || (absolute && names.len() == length))
        })
    })
}

fn holds_any(names: &[&str], table: &[&str]) -> bool {
    table.iter().any(|entry| {
        (0..names.len())
            .any(|at| entry.split('/').enumerate().all(|(n, part)| names.get(at + n) == Some(&part)))
    })
}

fn is_key(name: &str) -> bool {
    let by_extension = name.rsplit_once('.').is_some_and(|(_, ending)| KEY_EXTENSIONS.contains(&ending));
    by_extension || (KEY_NAMES.iter().any(|key| name.starts_with(key)) && !name.ends_with(".pub"))
}

fn is_claude_settings(names: &[&str]) -> bool {
    names
        .windows(2)
        .any(|run| run[0] == ".claude" && run[1].starts_with("settings") && run[1].ends_with(".json"))
}

fn is_environment(name: &str) -> bool {
    let named = name
        .strip_prefix(".env")
        .is_some_and(|rest| rest == "rc" || rest.chars().next().is_none_or(|next| !next.is_alphanumeric()));
    (named || name.ends_with(".env")) && !ENV_SAMPLES.iter().any(|sample| name.ends_with(sample))
}
