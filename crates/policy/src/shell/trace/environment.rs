//! Variables of the environment: those that are harmless to show, and those that change what programs do.

/// Variables that hold nothing private and are set everywhere.
const COMMON: &[&str] = &[
    "BASHPID",
    "BASH_SOURCE",
    "BASH_VERSION",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CI",
    "COLUMNS",
    "DISPLAY",
    "EDITOR",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GOPATH",
    "GOROOT",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "JAVA_HOME",
    "LANG",
    "LC_ALL",
    "LINENO",
    "LINES",
    "LOGNAME",
    "MACHTYPE",
    "NODE_ENV",
    "OLDPWD",
    "OSTYPE",
    "PATH",
    "PIPESTATUS",
    "PPID",
    "PYTHONPATH",
    "RANDOM",
    "REPLY",
    "RUST_LOG",
    "SECONDS",
    "SHELL",
    "SHLVL",
    "TERM",
    "TMPDIR",
    "TZ",
    "UID",
    "USER",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "0",
    "-",
    "_",
    "@",
    "*",
    "#",
    "?",
    "$",
];

/// Those of them that hold a number.
const NUMBERS: &[&str] = &[
    "BASHPID",
    "COLUMNS",
    "EPOCHSECONDS",
    "EUID",
    "LINENO",
    "LINES",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHLVL",
    "UID",
    "#",
    "?",
    "$",
];

/// Starts of the names of variables that make programs run other code, read other files or reach other places.
const STEERING: &[&str] = &[
    "ANSIBLE_",
    "ASAN_",
    "BAT_",
    "BUN_",
    "CLASSPATH",
    "COMPOSER_",
    "GEM_",
    "GNUMAKE",
    "JQ_",
    "RSYNC_",
    "BC_",
    "BUNDLE_",
    "CCACHE_",
    "CGO_",
    "COVERAGE_",
    "DOTNET_",
    "ELIXIR_",
    "ERL_",
    "GCC_",
    "GLIBC_",
    "GTEST_",
    "JULIA_",
    "JUST_",
    "LLVM_",
    "LUA_",
    "MALLOC_",
    "MIX_",
    "MYPY_",
    "PHP",
    "RUFF_",
    "R_",
    "TOX_",
    "TS_NODE_",
    "UNZIP",
    "VALGRIND_",
    "XZ_",
    "ZIP",
    "ANTHROPIC_",
    "BASH_",
    "CARGO",
    "CFLAGS",
    "CLAUDE",
    "CMAKE_",
    "CODEX_",
    "CURL_",
    "CXX",
    "DBUS_",
    "DENO_",
    "DOCKER_",
    "DYLD_",
    "GCONV_",
    "GEMINI_",
    "GIT_",
    "GNUPG",
    "GRADLE_",
    "HIST",
    "JAVA",
    "JDK_",
    "KUBE",
    "LD",
    "LESS",
    "LOCPATH",
    "MAKE",
    "MAVEN_",
    "MISSIOND_",
    "NODE_",
    "NPM_",
    "OPENCODE",
    "OPENSSL_",
    "PERL",
    "PIP_",
    "PYTEST_",
    "PYTHON",
    "RIPGREP_",
    "RUBY",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_",
    "SSH_",
    "SSL_",
    "SUDO_",
    "TAR_",
    "TMUX",
    "UV_",
    "WGET",
    "XDG_",
    "ZDOT",
    "_JAVA",
];

/// Whole names of such variables.
const STEERING_NAMES: &[&str] = &[
    "AR",
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "DEPENDENCIES_OUTPUT",
    "SUNPRO_DEPENDENCIES",
    "GOWORK",
    "MANOPT",
    "NULLCMD",
    "READNULLCMD",
    "fpath",
    "cdpath",
    "AS",
    "AWKPATH",
    "CC",
    "RUSTFMT",
    "HOST_CC",
    "TARGET_CC",
    "HOST_CXX",
    "TARGET_CXX",
    "RANLIB",
    "PROTOC",
    "CMAKE",
    "NASM",
    "PYO3_PYTHON",
    "SYSROOT",
    "GOCACHEPROG",
    "GOAUTH",
    "GCCGO",
    "FC",
    "LEX",
    "YACC",
    "INSTALL",
    "HOSTCC",
    "HOSTCXX",
    "CROSS_COMPILE",
    "RM",
    "MV",
    "CP",
    "CYPRESS_RUN_BINARY",
    "PRISMA_QUERY_ENGINE_LIBRARY",
    "PRISMA_SCHEMA_ENGINE_BINARY",
    "PRISMA_QUERY_ENGINE_BINARY",
    "PW_TEST_REPORTER",
    "YARN_RC_FILENAME",
    "FLASK_APP",
    "UVICORN_APP_DIR",
    "PIPENV_PIPFILE",
    "RAKEOPT",
    "BAZEL_REAL",
    "DirectoryBuildPropsPath",
    "DirectoryBuildTargetsPath",
    "CustomBeforeMicrosoftCommonTargets",
    "CustomAfterMicrosoftCommonTargets",
    "MSBuildSDKsPath",
    "COREPACK_NPM_REGISTRY",
    "YARN_NPM_REGISTRY_SERVER",
    "PRISMA_ENGINES_MIRROR",
    "PLAYWRIGHT_DOWNLOAD_HOST",
    "TURBO_API",
    "TURBO_TOKEN",
    "NX_CLOUD_API",
    "MVNW_REPOURL",
    "HEX_MIRROR",
    "BAZELISK_BASE_URL",
    "SCCACHE_ENDPOINT",
    "OutDir",
    "DESTDIR",
    "GOTMPDIR",
    "GOCOVERDIR",
    "GORACE",
    "SSLKEYLOGFILE",
    "GOTESTSUM_JSONFILE",
    "GCOV_PREFIX",
    "CDPATH",
    "DIRSTACK",
    "CPP",
    "GOBIN",
    "GOCACHE",
    "GOENV",
    "GOFLAGS",
    "GOINSECURE",
    "GOMODCACHE",
    "GONOSUMCHECK",
    "GONOSUMDB",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GOROOT",
    "GOSUMDB",
    "GOTOOLCHAIN",
    "GOTOOLDIR",
    "MANPATH",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "ENV",
    "EXINIT",
    "FCEDIT",
    "FIGNORE",
    "FPATH",
    "GLOBIGNORE",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "INPUTRC",
    "MYVIMRC",
    "NLSPATH",
    "PATH",
    "PROMPT_COMMAND",
    "RES_OPTIONS",
    "SHELL",
    "SHELLOPTS",
    "STRIP",
    "TERMCAP",
    "TERMINFO",
    "TMP",
    "TEMP",
    "TMPDIR",
    "VIMINIT",
    "VISUAL",
    "LS_COLORS",
    "BROWSER",
    "HISTFILE",
    "OPTIND",
];

/// Ends of the names of such variables.
const STEERING_ENDS: &[&str] =
    &["PAGER", "EDITOR", "_COMMAND", "_ASKPASS", "_PROXY", "_WRAPPER", "_RUNNER", "OPTS", "_OPTIONS"];

/// Ends of the names of variables that say where a program finds something of its own.
const LOCATING_ENDS: &[&str] = &[
    "PATH", "_HOME", "_CONFIG", "_FLAGS", "FLAGS", "_PRELOAD", "_INIT", "_RC", "_CMD", "_EXEC", "_SHELL",
    "_PLUGIN", "_PLUGINS", "_LOADER", "_MODULE", "_MODULES", "_LIB", "_LIBS", "_RSH", "_HOOK", "_HOOKS",
    "_SCRIPT", "_PROGRAM", "_BIN",
];

/// Whether a value names something below the directory where it is used, if it names anything.
fn is_below(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-@+".contains(c);
    !value.starts_with(['/', '-', '+'])
        && value.chars().all(plain)
        && !value.split('/').any(|part| part == "..")
}

/// Variables that look like such and are settings.
const SETTINGS: &[&str] = &[
    "MIX_ENV",
    "CARGO_INCREMENTAL",
    "CARGO_TERM_COLOR",
    "CARGO_TERM_VERBOSE",
    "CARGO_TERM_PROGRESS_WHEN",
    "CARGO_NET_OFFLINE",
    "CARGO_BUILD_JOBS",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_DATE",
    "GIT_TERMINAL_PROMPT",
    "GIT_OPTIONAL_LOCKS",
    "GIT_MERGE_AUTOEDIT",
    "GOOS",
    "GOARCH",
    "GOMAXPROCS",
    "GOTRACEBACK",
    "LD_BIND_NOW",
    "NODE_ENV",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "PYTEST_CURRENT_TEST",
    "LESSCHARSET",
];

/// Values that make such a variable do nothing.
const HARMLESS_PROGRAMS: &[&str] =
    &["", "cat", "true", ":", "/bin/true", "/bin/cat", "/usr/bin/true", "less"];

/// Whether the variable is set everywhere and holds nothing private.
pub(super) fn is_common(name: &str) -> bool {
    COMMON.contains(&name)
}

/// Whether the variable holds a number.
pub(super) fn is_number(name: &str) -> bool {
    NUMBERS.contains(&name)
}

/// Whether a program that is given this variable may do something else than its words say.
pub(super) fn steers(name: &str, value: &str) -> bool {
    if SETTINGS.contains(&name) {
        return false;
    }
    // A place for temporary files, modules of the workspace, and limits of memory change nothing of that.
    let tame = match name {
        "TMPDIR" | "TMP" | "TEMP" => value.starts_with("/tmp/") && !value.contains(".."),
        "PYTHONPATH" => value.split(':').all(|part| {
            !part.is_empty()
                && !part.starts_with(['/', '~', '$'])
                && !part.split('/').any(|part| part == "..")
        }),
        "NODE_OPTIONS" => value
            .strip_prefix("--max-old-space-size=")
            .is_some_and(|size| size.bytes().all(|byte| byte.is_ascii_digit())),
        "CGO_ENABLED" => ["0", "1"].contains(&value),
        "GOFLAGS" => ["-mod=mod", "-mod=vendor", "-mod=readonly"].contains(&value),
        _ => false,
    };
    if tame {
        return false;
    }
    let program = ["PAGER", "EDITOR", "VISUAL"].iter().any(|end| name.ends_with(end));
    if program && HARMLESS_PROGRAMS.contains(&value) {
        return false;
    }
    if ["RUSTFLAGS", "RUSTDOCFLAGS"].contains(&name) && are_lints(value) {
        return false;
    }
    // A makefile's variables are commands of its own, and a value may be one.
    let loud = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (loud && !value.starts_with("$(git rev-parse") && (value.contains("$(") || value.contains('`')))
        || STEERING_NAMES.contains(&name)
        || name.starts_with("CC_")
        || name.starts_with("CXX_")
        || name.starts_with("AR_")
        || name.starts_with("pnpm_config_")
        || STEERING.iter().any(|start| name.starts_with(start))
        || STEERING_ENDS.iter().any(|end| name.ends_with(end))
        || name.ends_with("_proxy")
        || (LOCATING_ENDS.iter().any(|end| name.ends_with(end)) && !is_below(value))
        || name.starts_with("npm_config_")
}

/// Whether flags of the compiler only say how strict it is and what it optimizes.
fn are_lints(flags: &str) -> bool {
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word {
            "-D" | "-W" | "-A" | "-F" | "--cfg" | "-C" => words.next().unwrap_or_default(),
            _ => word.get(2..).unwrap_or_default(),
        };
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "_-=:.\"".contains(c));
        let fits = match word.get(..2) {
            Some("-D" | "-W" | "-A" | "-F" | "--") if word == "--cfg" || !word.starts_with("--") => true,
            Some("-C") => [
                "opt-level",
                "debuginfo",
                "target-cpu=native",
                "debug-assertions",
                "overflow-checks",
                "codegen-units",
            ]
            .iter()
            .any(|known| value.starts_with(known)),
            _ => false,
        };
        if !fits || !plain {
            return false;
        }
    }
    true
}
