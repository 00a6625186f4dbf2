//! Inside there is loopback and nothing else.

use std::{
    env, fs,
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use missiond_testkit::{
    model::{ModelServer, Script},
    netns,
};

/// `ENETUNREACH`.
const UNREACHABLE: i32 = 101;

#[test]
fn loopback_works_and_nothing_else_is_reachable() {
    netns::run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        TcpStream::connect(listener.local_addr()?)?;
        // Addresses for documentation (RFC 5737): no host answers there, but only the lack of a route says so at once.
        for address in ["192.0.2.1:80", "198.51.100.7:443", "203.0.113.9:53"] {
            let address: SocketAddr = address.parse()?;
            let problem = TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap_err();
            assert_eq!(problem.raw_os_error(), Some(UNREACHABLE), "{address}: {problem}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn threads_children_and_the_model_server_live_inside() {
    let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
    netns::run(|| {
        let inside = fs::read_link("/proc/thread-self/ns/net")?;
        assert_ne!(inside, outside);
        let of_thread = thread::spawn(|| fs::read_link("/proc/thread-self/ns/net")).join().unwrap()?;
        assert_eq!(of_thread, inside);
        let child = Command::new("cat").arg("/proc/self/net/dev").output()?;
        let devices = String::from_utf8(child.stdout)?;
        let names: Vec<&str> =
            devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
        assert_eq!(names, ["lo"], "{devices}");

        let server = ModelServer::start(Script::new())?;
        let address = server.address();
        assert_eq!(crate::http::ask(address, "HEAD", "/", "").unwrap().status, 200);
        Ok(())
    })
    .unwrap();
    assert_eq!(
        fs::read_link("/proc/thread-self/ns/net").unwrap(),
        outside,
        "only the body's thread has moved"
    );
}

// One namespace within another: whoever isn't root has the whole test started again, and must not expect a failure
// of that.
#[test]
fn the_result_of_the_body_is_the_result() {
    netns::run(|| {
        let problem = netns::run(|| anyhow::bail!("the body's own words")).unwrap_err();
        assert!(problem.to_string().contains("the body's own words"), "{problem}");
        let panic = std::panic::catch_unwind(|| netns::run(|| panic!("the body's panic"))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body's panic"));
        Ok(())
    })
    .unwrap();
}

/// Each call ran the whole test again, and so each call in it once more.
#[test]
fn several_calls_of_a_test_start_it_again_once() {
    /// Where the calls are counted.
    const CALLS: &str = "MISSIOND_TEST_NETNS_CALLS";
    if let Some(calls) = env::var_os(CALLS) {
        for call in ["first", "second", "third"] {
            netns::run(|| {
                writeln!(fs::File::options().append(true).open(&calls)?, "{call}")?;
                Ok(())
            })
            .unwrap();
        }
        return;
    }
    let calls = tempfile::NamedTempFile::new().unwrap();
    // Root has no need to start anything again, so it becomes somebody else.
    let mut test = Command::new("unshare");
    test.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(env::current_exe().unwrap());
    test.args(["--exact", "netns::several_calls_of_a_test_start_it_again_once", "--nocapture"]);
    let output = test.env(CALLS, calls.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(calls.path()).unwrap(), "first\nsecond\nthird\n", "{output:?}");
}
