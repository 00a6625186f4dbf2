//! A network namespace that holds nothing but loopback.
//!
//! A socket belongs to the namespace of the thread that made it, and threads and processes inherit the namespace
//! of the thread that started them. So a test moves its own thread, and its model server, the program under test
//! and the agent below it all live on the same loopback, with no route to anywhere else.

use std::{
    collections::BTreeMap,
    env,
    io::Read as _,
    panic,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::{
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with},
    thread::UnshareFlags,
};

/// Set in a test process that was started again inside a user namespace.
const INSIDE: &str = "MISSIOND_TEST_NETNS";
/// The longest a test that was started again may take.
const DEADLINE: Duration = Duration::from_secs(600);

/// Runs `body` on a thread of its own in a fresh network namespace whose only interface is loopback, up.
///
/// Root gets the namespace for that thread alone. Everybody else needs a user namespace too, which a process of
/// several threads can't enter: at the first call the test is started again by itself under `unshare`, and only that
/// run counts; here this call and all later ones of the test run no `body`. Therefore the calls must be the whole test,
/// and the caller a `#[test]` function.
///
/// ```no_run
/// use std::net::TcpStream;
///
/// // The body of a `#[test]` function:
/// missiond_testkit::netns::run(|| {
///     assert!(TcpStream::connect("192.0.2.1:80").is_err());
///     Ok(())
/// })
/// # .unwrap();
/// ```
///
/// # Errors
/// The error of `body`, or the reason why there is no such namespace.
///
/// # Panics
/// When `body` does.
pub fn run(body: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return once_again();
    }
    let isolated = || {
        enter()?;
        body()
    };
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name).spawn_scoped(scope, isolated);
        let thread = thread.context("no thread for the network namespace")?;
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

/// Moves the calling thread, and every thread and process it starts from now on, into a fresh network namespace
/// whose only interface is loopback, up. There is no way back.
///
/// # Errors
/// Without the right to make a namespace (root has it).
pub fn enter() -> Result<()> {
    unshare_network().context("no network namespace: this needs root (or the capability CAP_SYS_ADMIN)")?;
    loopback_up().context("loopback could not be brought up in the network namespace")
}

// The successor `unshare_unsafe` is unsafe because of the flag FILES alone, which isn't used here; this crate
// forbids unsafe code.
#[allow(deprecated)]
fn unshare_network() -> rustix::io::Result<()> {
    rustix::thread::unshare(UnshareFlags::NEWNET)
}

/// Asks the kernel by netlink (rtnetlink(7)) to set `IFF_UP` on interface 1, which is `lo` in a fresh namespace;
/// so no `ip` program is needed.
fn loopback_up() -> Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
    const NLMSG_ERROR: u16 = 2;
    const IFF_UP: u32 = 1;

    let mut message = Vec::with_capacity(32);
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    // struct ifinfomsg: family and type unspecified, index, flags, the flags to change.
    message.extend([0; 4]);
    message.extend(1_u32.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());

    // No protocol means NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 256];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    ensure!(length >= 20, "the kernel's answer has only {length} bytes");
    ensure!(
        u16::from_ne_bytes([answer[4], answer[5]]) == NLMSG_ERROR,
        "the kernel's answer is no acknowledgement"
    );
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(-code).into()),
    }
}

/// Runs the current test again unless that was done before: one such run has made every call of the test.
fn once_again() -> Result<()> {
    /// The tests of this process that have run again, and the error of those that failed.
    static ENDED: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());
    let ended = || ENDED.lock().unwrap_or_else(PoisonError::into_inner);

    let test = current_test()?;
    let before = ended().get(&test).cloned();
    match before {
        Some(None) => Ok(()),
        Some(Some(problem)) => Err(anyhow!(problem)),
        None => {
            let result = again(&test);
            ended().insert(test, result.as_ref().err().map(|error| format!("{error:#}")));
            result
        }
    }
}

/// Runs a test again as root of a user namespace, and takes its result for ours.
fn again(test: &str) -> Result<()> {
    ensure!(env::var_os(INSIDE).is_none(), "started again under `unshare`, but not as its root");
    let program = env::current_exe().context("the path of the test program")?;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--"]).arg(program).args(["--exact", test, "--nocapture"]);
    let mut child = command
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("`unshare` could not be started; it is in the Debian package util-linux")?;
    let mut stdout = child.stdout.take().context("the pipe that was asked for")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        text
    });
    let ended = crate::processes::wait_until(DEADLINE, "the test in its user namespace ends", || {
        child.try_wait().ok().flatten()
    });
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let status = ended?;
    let text = reader.join().map_err(|_| anyhow!("the reader of the inner test's output panicked"))?;
    // A name that fits no test also ends with success.
    if !status.success() || !text.contains("1 passed") {
        bail!(
            "the test {test} failed inside `unshare --user --map-root-user` ({status}); user namespaces may be \
             switched off here (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); \
             running as root needs none\n{text}"
        );
    }
    Ok(())
}

fn current_test() -> Result<String> {
    // The harness names a test's thread after the test, except when it runs tests on the main thread.
    if let Some(name) = thread::current().name().filter(|name| *name != "main") {
        return Ok(name.to_owned());
    }
    let mut arguments = env::args().skip(1).skip_while(|argument| argument != "--exact").skip(1);
    let exact = arguments.find(|argument| !argument.starts_with('-'));
    exact.context(
        "the name of the running test is not known; run the tests on more than one thread or with --exact",
    )
}
