//! Secrets don't reach the log, and what is none does.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use missiond_policy::{
    Decision, Risk, ToolCall, Verdict,
    audit::{AuditLog, AuditOptions, Judged, Redactor, is_secret_name},
};
use serde_json::json;

use super::Scene;

/// A secret that is put together here, so that no scanner of repositories takes it for one.
fn made(start: &str, rest: &str) -> String {
    format!("{start}{rest}")
}

#[test]
fn secrets_are_known_by_how_they_look() {
    let letters = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0";
    let upper = "ABCDEFGHIJ234567";
    let table = [
        (made("export K=AKIA", upper), "AKIA"),
        (made("git clone https://ghp_", letters), letters),
        (made("github_pat_", letters), letters),
        (made("glpat-", &letters[..20]), &letters[..20]),
        (made("curl -d sk-ant-api03-", letters), letters),
        (made("'sk-proj-", letters), letters),
        (made("sk_live_", letters), letters),
        (made("xoxb-", "12345678-abcdef"), "12345678"),
        (made("AIza", &letters[..35]), &letters[..35]),
        (made("npm_", letters), letters),
        (made("hf_", letters), letters),
        (made("hvs.", letters), letters),
        (made("ATATT3", letters), letters),
        (made("cio", letters), letters),
        (made("glsa_", letters), letters),
        (made("echo dapi", letters), letters),
        (made("x: eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.c2lnbmF0dXJl"), "c2lnbmF0dXJl"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nafter".to_owned(),
            "MIIEow",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nMIIEow".to_owned(), "MIIEow"),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nMIIEow\n-----END PGP PRIVATE KEY BLOCK-----".to_owned(),
            "MIIEow",
        ),
        ("curl -H 'Authorization: Bearer abcdef' host".to_owned(), "abcdef"),
        ("curl -H \"authorization: Basic dXNlcjpwYXNz\" host".to_owned(), "dXNlcjpwYXNz"),
        ("Authorization: token one two\nnext".to_owned(), "one two"),
        ("Cookie: session=abc; other=def\r\nHost: x".to_owned(), "def"),
        ("X-Api-Key: 12345abc".to_owned(), "12345abc"),
        ("psql password=hunter2 host=db".to_owned(), "hunter2"),
        ("PASSWORD='correct horse'".to_owned(), "correct horse"),
        ("export GITHUB_TOKEN=abc".to_owned(), "abc"),
        ("{\"api_key\": \"abc\"}".to_owned(), "\"abc\""),
        ("{\\\"client_secret\\\":\\\"s3cr3t\\\"}".to_owned(), "s3cr3t"),
        ("clientSecret: 's3cr3t'".to_owned(), "s3cr3t"),
        ("tool --password hunter2 --verbose".to_owned(), "hunter2"),
        ("tool --token=hunter2".to_owned(), "hunter2"),
        ("curl -u admin:hunter2 https://host".to_owned(), "hunter2"),
        ("postgres://app:hunter2@db/shop".to_owned(), "hunter2"),
        ("https://x-access-token-0123456789@github.com/a/b".to_owned(), "0123456789"),
        ("https://host/?api_key=hunter2&page=3".to_owned(), "hunter2"),
        ("the password: hunter22 is in use".to_owned(), "hunter22"),
        ("PGPASSWORD=hunter2 psql -h db".to_owned(), "hunter2"),
        ("SSHPASS=hunter2 sshpass -e ssh h".to_owned(), "hunter2"),
        ("sshpass -p hunter2 ssh h".to_owned(), "hunter2"),
        ("cd x && mysql -u root -phunter2 shop".to_owned(), "hunter2"),
        ("/usr/bin/mysqldump -p'hunter 2' shop".to_owned(), "hunter 2"),
        ("docker login -u me -p hunter2 registry".to_owned(), "hunter2"),
        ("redis-cli -a hunter2 ping".to_owned(), "hunter2"),
        ("curl -b 'sid=hunter2' https://host".to_owned(), "hunter2"),
        ("aws configure set aws_secret_access_key hunter2".to_owned(), "hunter2"),
        ("npm config set //registry.example.com/:_authToken hunter2".to_owned(), "hunter2"),
    ];
    for (text, secret) in table {
        let kept = Redactor::new().redact(&text).into_owned();
        assert!(!kept.contains(secret) && kept.contains("[redacted:"), "{text}\n{kept}");
    }
    let check = |text: &str, expected: &str| assert_eq!(Redactor::new().redact(text), expected);
    check("psql password=hunter2 host=db", "psql password=[redacted:value] host=db");
    check("postgres://app:hunter2@db/shop", "postgres://[redacted:user-info]@db/shop");
    check("curl --token=hunter2 https://host", "curl --token=[redacted:value] https://host");
    check(
        "x --password a --token=b -u c:d",
        "x --password [redacted:value] --token=[redacted:value] -u c:[redacted:value]",
    );
    check("curl -u me:hunter2 h", "curl -u me:[redacted:value] h");
    check(
        "a -----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY----- b",
        "a [redacted:private-key] b",
    );
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "git push origin task/risk-sk-learn-something-very-long-here",
        "echo $GITHUB_TOKEN; curl -H \"Authorization: $AUTH\"",
        "curl --token ${TOKEN} --password \"$PASSWORD\"",
        "gh auth status --show-token",
        "let token: String = parse(text)?;",
        "the token: a word that means something",
        "max_tokens=4096 primary_key=id cache_key=abc token_type=bearer",
        "password_file=/run/secrets/db",
        "git clone ssh://git@github.com/a/b && git clone git@github.com:a/b",
        "docker run -u $UID:$GID x; chown -R a:b c",
        "cargo test -- --nocapture key=value author=me",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "grep -rn 'password' src/",
        "http://localhost:8080/a@b",
        "ünïcödé = 'ß'; Schlüssel: geheim",
        "a :: b := c == d => e",
        "bearer of bad news",
        "mkdir -p src/a && cp -a x y && docker run -p 8080:80 web && git config set user.name me",
        "mysql -u root -p shop < a.sql; grep -b x y; curl -b cookies.txt https://host",
    ] {
        assert_eq!(Redactor::new().redact(text), text);
    }
}

#[test]
fn known_values_are_left_out_wherever_they_stand() {
    let variables = [
        ("DEPLOY_TOKEN", "plain-looking"),
        ("DB_PASSWORD", "plain"),
        ("MULTI_SECRET", "first\nsecond"),
        ("OUTER_SECRET", "xx-plain-looking-xx"),
        ("PATH", "/usr/bin:/bin"),
        ("PWD", "/work/project"),
        ("SSH_AUTH_SOCK", "/tmp/agent.sock"),
    ];
    let mut redactor = Redactor::of_environment(variables.map(|(name, value)| (name.into(), value.into())));
    redactor.know("the deploy key", "0123456789");
    let check = |text: &str, expected: &str| assert_eq!(redactor.redact(text), expected);
    check("echo plain-looking|sh", "echo [redacted:$DEPLOY_TOKEN]|sh");
    check("xx-plain-looking-xx", "[redacted:$OUTER_SECRET]");
    check("a first\nsecond b", "a [redacted:$MULTI_SECRET] b");
    check("0123456789", "[redacted:the deploy key]");
    // Too short to be looked for.
    check("plain", "plain");
    check("/usr/bin:/bin /work/project /tmp/agent.sock", "/usr/bin:/bin /work/project /tmp/agent.sock");
    let debug = format!("{redactor:?}");
    assert!(debug.contains("DEPLOY_TOKEN") && !debug.contains("plain"), "{debug}");
}

#[test]
fn names_that_say_so() {
    for name in [
        "PASSWORD",
        "db_password",
        "DbPassword",
        "GITHUB_TOKEN",
        "authToken",
        "api-key",
        "apiKey",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "private.key",
        "SSH_KEY",
        "client_secret",
        "NPM_AUTH",
        "X-Amz-Signature",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "",
        "PWD",
        "OLDPWD",
        "PATH",
        "KEY",
        "key",
        "SSH_AUTH_SOCK",
        "TOKEN_FILE",
        "password_path",
        "max_tokens",
        "author",
        "primary_key",
        "compass",
        "AWS_ACCESS_KEY_ID",
        "GITHUB_TOKEN_URL",
        "ünïcödé",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

fn recorded(call: &ToolCall, verdict: &Verdict, redactor: Redactor) -> String {
    let directory = tempfile::tempdir().unwrap();
    let log = AuditLog::new(directory.path().join("audit.jsonl"), AuditOptions::default(), redactor);
    let mut judged = Judged::new(Timestamp::now(), call, verdict);
    judged.note = Some("use hunter2-hunter2");
    log.append(&judged).unwrap();
    std::fs::read_to_string(log.paths().current()).unwrap()
}

#[test]
fn every_text_of_a_record_is_redacted() {
    let secret = "hunter2-hunter2";
    let mut redactor = Redactor::new();
    redactor.know("it", secret);
    let input = json!({ "command": format!("a {secret}"), secret: 1, "deep": [{ "env": { "X": secret } }],
        "password": "short", "env": { "API_KEY": "abc", "HOME": "/root" } });
    let mut call = ToolCall::new(format!("Tool{secret}"), input, format!("/work/{secret}"));
    call.id = Some(secret.to_owned());
    let mut verdict = Verdict::new(Decision::Deny, Risk::Low, format!("`{secret}` is not allowed"));
    verdict.part = Some(secret.to_owned());
    let text = recorded(&call, &verdict, redactor);
    assert!(!text.contains(secret) && !text.contains("short") && !text.contains("abc\""), "{text}");
    assert!(text.contains("/root") && text.matches("[redacted:it]").count() >= 8, "{text}");
}

#[test]
fn record_is_bounded_and_so_is_the_work() {
    let verdict = Verdict::new(Decision::Allow, Risk::Low, "r".repeat(100_000));
    let hostile = [
        "a".repeat(10 << 20),
        "token=$".repeat(1 << 20),
        "token= a.token=".repeat(700_000),
        "sk-".repeat(3 << 20),
        "eyJ-".repeat(2 << 20),
        "eyJaaaaaaaaa.".repeat(800_000),
        "-----BEGIN ".repeat(900_000),
        "://:@".repeat(2 << 20),
        "a:a=".repeat(2 << 20),
        "\u{0}".repeat(10 << 20),
        "ß:'".repeat(2 << 20),
        "--password '".repeat(800_000),
        "Bearer ".repeat(1 << 20),
    ];
    let mut redactor = Redactor::new();
    for number in 0..300 {
        redactor.know("x", format!("a-rather-long-secret-{number}"));
    }
    for text in hostile {
        let shown = text[..text.floor_char_boundary(20)].to_owned();
        let call = ToolCall::new("Bash", json!({ "command": text }), "/");
        let begun = Instant::now();
        let record = recorded(&call, &verdict, redactor.clone());
        let spent = begun.elapsed();
        // Not optimised, and beside other tests.
        assert!(spent < Duration::from_secs(2), "{shown}: {spent:?}");
        assert!(record.len() < 300_000, "{shown}: {}", record.len());
        assert!(record.contains("bytes in all]"), "{shown}");
    }
    let many = json!(vec!["x"; 1_000_000]);
    assert!(recorded(&ToolCall::new("Bash", many, "/"), &verdict, redactor.clone()).len() < 100_000);
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    recorded(&ToolCall::new("Bash", deep, "/"), &verdict, redactor);
}

#[test]
fn secret_across_the_cut_is_left_out_whole() {
    let scene = Scene::new();
    let mut redactor = Redactor::new();
    redactor.know("it", "0123456789".repeat(20));
    for start in (16 * 1024 - 210)..(16 * 1024 + 10) {
        let text = format!("{}{}", "a".repeat(start), "0123456789".repeat(20));
        let kept = redactor.redact(&text).into_owned();
        assert!(!kept.contains("0123"));
    }
    let text = format!("{} {}", "a".repeat(16 * 1024 - 10), made("AKIA", "ABCDEFGHIJ234567"));
    scene.call(&text);
    assert!(!scene.lines()[1].contains("AKIA"), "the first half would be enough to find the rest");
}
