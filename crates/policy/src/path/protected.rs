//! Names that are protected wherever they stand, as data.

use std::{path::Path, sync::LazyLock};

use super::{
    place::{Access, Protection},
    runs::Runs,
};

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
    // What people typed, said and own.
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".sh_history",
    ".ash_history",
    ".ksh_history",
    ".histfile",
    ".python_history",
    ".node_repl_history",
    ".psql_history",
    ".mysql_history",
    ".sqlite_history",
    ".rediscli_history",
    ".irb_history",
    ".lesshst",
    ".viminfo",
    ".local/share/fish/fish_history",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".cache/huggingface/token",
    ".huggingface/token",
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    ".kaggle",
    ".config/kaggle",
    ".config/solana",
    ".config/doctl",
    ".config/heroku",
    ".config/brave",
    ".config/bravesoftware",
    ".config/microsoft-edge",
    ".config/vivaldi",
    ".config/opera",
    ".librewolf",
    "library/keychains",
    "library/cookies",
    "library/application support/google/chrome",
    "library/application support/firefox",
    ".bitcoin",
    ".ethereum",
    ".electrum",
    ".monero",
    "wallet.dat",
    "cookies.sqlite",
    ".config/glab-cli",
    ".config/hcloud",
    ".config/netlify",
    ".config/.wrangler",
    ".wrangler/config",
    ".config/pypoetry/auth.toml",
    ".config/composer/auth.json",
    ".composer/auth.json",
    ".config/configstore",
    ".config/ngrok",
    ".config/1password",
    ".config/bitwarden",
    ".config/bitwarden cli",
    ".config/stripe",
    ".config/fly",
    ".config/railway",
    ".config/linode-cli",
    ".config/scw",
    ".config/vultr-cli.yaml",
    ".config/exercism/user.json",
    ".config/jgit/credentials",
    ".fly/config.yml",
    ".local/share/com.vercel.cli",
    ".bundle/config",
    ".nuget/nuget/nuget.config",
    ".pulumi/credentials.json",
    ".databrickscfg",
    ".sentryclirc",
    ".ngrok2",
    ".circleci/cli.yml",
    ".snowflake",
    ".snowsql",
    ".dbt/profiles.yml",
    ".mc/config.json",
    ".passwd-s3fs",
    ".mongorc.js",
    ".mylogin.cnf",
    ".authinfo",
    ".authinfo.gpg",
    ".smbcredentials",
    ".rhosts",
    "etc/krb5.keytab",
    "etc/networkmanager/system-connections",
    "etc/wireguard",
];

/// Directories of an agent's conversations: private, and read by the person's own tools only.
const CONVERSATIONS: &[&str] =
    &[".claude/projects", ".claude/history.jsonl", ".codex/sessions", ".codex/history.jsonl", ".gemini/tmp"];

/// Extensions of key files and key stores.
pub(super) const KEY_EXTENSIONS: &[&str] =
    &["pem", "key", "p12", "pfx", "kdbx", "jks", "keystore", "ppk", "p8", "keytab"];

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
    ".gemini/trustedfolders.json",
    ".gemini/trusted_hooks.json",
    ".opencode/plugin",
    "opencode.json",
    "opencode.jsonc",
    "etc/claude-code",
    "etc/codex",
    "etc/gemini-cli",
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
    ".cargo/config.toml",
    ".cargo/config",
    ".github/workflows",
    ".github/actions",
    ".gitlab-ci.yml",
    ".cursor",
    ".zed",
    ".mise.toml",
    "mise.toml",
    ".mise",
    ".gitmodules",
    ".gitattributes",
    ".envrc",
    ".opencode",
    ".devcontainer.json",
    ".circleci",
    ".travis.yml",
    "azure-pipelines.yml",
    "jenkinsfile",
    ".hg/hgrc",
    ".jj/repo",
    ".lefthook.yml",
    "lefthook-local.yml",
    ".windsurf",
    ".roo",
    ".kiro",
    ".amp",
    ".qwen",
    ".aider.conf.yml",
    ".nvim.lua",
    ".exrc.lua",
    ".tool-versions",
    ".pnpmfile.cjs",
    ".yarn/releases",
    ".yarn/plugins",
    ".buildkite",
    ".drone.yml",
    ".forgejo/workflows",
    ".gitea/workflows",
];

/// Endings of files that an editor takes for a workspace with tasks.
const STARTUP_ENDINGS: &[&str] = &[".code-workspace"];

static CREDENTIAL_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(CREDENTIALS));
static CONVERSATION_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(CONVERSATIONS));
static SETTINGS_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(AGENT_SETTINGS));
static STARTUP_RUNS: LazyLock<Runs> = LazyLock::new(|| Runs::new(STARTUP_CODE));

/// The strictest protection that the names in a path ask for.
///
/// Names are compared without regard to case, since the file system may do so too.
pub(super) fn by_name(path: &Path, access: Access) -> Option<Protection> {
    let absolute = path.is_absolute();
    let lower = path.to_string_lossy().to_lowercase();
    let names: Vec<&str> = lower.split('/').filter(|name| !name.is_empty()).collect();
    let last = *names.last()?;
    let changes = access != Access::Read;
    if CREDENTIAL_RUNS.any_in(&names) || is_key(last) {
        return Some(Protection::Credentials);
    }
    let of_person = absolute && CONVERSATION_RUNS.any_in(&names);
    if of_person || last.starts_with("krb5cc_") {
        return Some(Protection::Credentials);
    }
    if absolute && last == ".npmrc" {
        return Some(Protection::Credentials);
    }
    if changes && (is_claude_settings(&names) || SETTINGS_RUNS.any_in(&names)) {
        return Some(Protection::AgentSettings);
    }
    // Whoever takes a directory away takes what is protected in it along.
    if access == Access::Delete && (last == ".claude" || SETTINGS_RUNS.any_below(&names, absolute)) {
        return Some(Protection::AgentSettings);
    }
    if changes && absolute && CREDENTIAL_RUNS.any_below(&names, absolute) {
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
    // A `.cache` of the agent's own holds no tokens.
    let above = access == Access::Delete
        && ((absolute && CREDENTIAL_RUNS.any_below(&names, absolute))
            || STARTUP_RUNS.any_below(&names, absolute));
    if above
        || (changes && STARTUP_ENDINGS.iter().any(|ending| last.ends_with(ending)))
        || (changes && (STARTUP_RUNS.any_in(&names) || SETTINGS_RUNS.any_below(&names, absolute)))
    {
        return Some(Protection::StartupCode);
    }
    is_environment(last).then_some(Protection::Environment)
}

/// Whether credentials are usually kept somewhere below a directory of this name.
pub(super) fn holds_credentials(path: &Path) -> bool {
    let lower = path.to_string_lossy().to_lowercase();
    let names: Vec<&str> = lower.split('/').filter(|name| !name.is_empty()).collect();
    CREDENTIAL_RUNS.any_below(&names, true)
}

/// Whether a program keeps sockets or private files under this name in a temporary directory.
pub(super) fn is_runtime_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    RUNTIME.iter().any(|start| lower.starts_with(start))
}

/// Whether the name, in lower case, is that of a private key.
pub(crate) fn is_key(name: &str) -> bool {
    let by_extension = name.rsplit_once('.').is_some_and(|(_, ending)| KEY_EXTENSIONS.contains(&ending));
    // Of other names that begin so, those are meant that no language gives its files.
    let named = name.strip_prefix("id_").is_some_and(|rest| !rest.is_empty() && !rest.contains('.'));
    let of_service = ["service-account.json", "service_account.json"].contains(&name);
    by_extension
        || named
        || of_service
        || (KEY_NAMES.iter().any(|key| name.starts_with(key)) && !name.ends_with(".pub"))
}

fn is_claude_settings(names: &[&str]) -> bool {
    names
        .windows(2)
        .any(|run| run[0] == ".claude" && run[1].starts_with("settings") && run[1].ends_with(".json"))
}

/// Whether the name, in lower case, is that of a `.env` file or one of its kin.
pub(crate) fn is_environment(name: &str) -> bool {
    // `.envoy` is another word.
    let named = name
        .strip_prefix(".env")
        .is_some_and(|rest| rest == "rc" || rest.chars().next().is_none_or(|next| !next.is_alphabetic()));
    (named || name.ends_with(".env")) && !ENV_SAMPLES.iter().any(|sample| name.ends_with(sample))
}
