//! The system gives no more threads or processes.

use testkit::Run;

use crate::{SECRET, Setup};

/// kb, for which the system refuses to start threads and processes, from the n-th on or
/// the n-th alone.
fn refused(setup: &Setup, when: &str, args: &[&str]) -> Run {
    let mut command = setup.world.tool_cmd("strace", ["-f", "-qq"]);
    command.arg("-o").arg(setup.world.root().join("strace"));
    command.args(["-e", "trace=clone,clone3,vfork", "-e"]);
    command.arg(format!(
        "inject=clone,clone3,vfork:error=EAGAIN:when={when}"
    ));
    command.arg(env!("CARGO_BIN_EXE_kb"));
    command.args(["k", "secrets", "-n", &setup.namespace]);
    setup.world.run({
        command.args(args);
        command
    })
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_or_none_is_needed() {
    let setup = Setup::initialized("threads");
    for at in 0..4 {
        setup.encrypt(&format!("{at}-secret.yaml"), SECRET);
    }
    setup.world.tool("git", ["add", "--all"]).assert_code(0);
    // From the third on, or the third alone, and so on: each way of being refused.
    for n in 1..=6 {
        for when in [format!("{n}"), format!("{n}+")] {
            for args in [
                &["check"][..],
                &["check", "--staged"],
                &["status"],
                &["decrypt", "0-secret.yaml"],
                &["init", "--force", "--dry-run"],
                &["init", "--force", "--yes"],
            ] {
                let run = refused(&setup, &when, args);
                let err = run.err();
                assert!(!err.contains("has a defect"), "{when} {args:?}: {err}");
                assert_ne!(run.code, Some(2), "{when} {args:?}: {err}");
                if run.code == Some(1) {
                    assert!(err.contains("error: "), "{when} {args:?}: {err}");
                }
            }
        }
    }
    // Whatever was left half done, the next run finishes.
    setup.init(&["--force", "--yes"]).assert_code(0);
    for at in 0..4 {
        let run = setup.decrypt(&[&format!("{at}-secret.yaml")]);
        assert!(
            run.assert_code(0)
                .out()
                .contains("password: hunter2-canary")
        );
    }
}

/// The limit of the system itself (`ulimit -u`), which does not hold for root.
#[test]
fn under_a_limit_of_processes_kb_ends_and_leaves_nothing_half_done() {
    let setup = Setup::initialized("nproc");
    for at in 0..4 {
        setup.encrypt(&format!("{at}-secret.yaml"), SECRET);
    }
    let (bin, world) = (setup.world.bin(), setup.world.root().to_owned());
    // Where these are, another user may not look.
    let sops = bin.join("sops").canonicalize().expect("sops");
    std::fs::remove_file(bin.join("sops")).expect("the link");
    for program in [std::path::Path::new(env!("CARGO_BIN_EXE_kb")), &sops] {
        let name = program.file_name().expect("a name");
        std::fs::copy(program, bin.join(name)).expect("a copy");
    }
    let owner = |user: &str| {
        let mut command = setup.world.tool_cmd("chown", ["-R", user]);
        command.arg(&world);
        setup.world.run(command).assert_code(0);
    };
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        owner(OTHER_USER);
    }
    for n in 1..=8 {
        for args in [
            &["check"][..],
            &["status"],
            &["decrypt", "0-secret.yaml"],
            &["init", "--force", "--yes"],
        ] {
            let nproc = format!("--nproc={n}");
            let mut command = match is_root {
                true => {
                    let user = [
                        format!("--reuid={OTHER_USER}"),
                        format!("--regid={OTHER_USER}"),
                        "--clear-groups".to_owned(),
                        "prlimit".to_owned(),
                    ];
                    setup.world.tool_cmd("setpriv", user)
                }
                false => setup.world.tool_cmd("prlimit", [] as [&str; 0]),
            };
            command.arg(nproc).arg(bin.join("kb"));
            command.args(["k", "secrets", "-n", &setup.namespace]);
            command.args(args);
            let run = setup.world.run(command);
            let err = run.err();
            assert!(!err.contains("has a defect"), "{n} {args:?}: {err}");
            assert!(matches!(run.code, Some(0 | 1 | 3)), "{n} {args:?}: {err}");
            if run.code == Some(1) {
                assert!(err.contains("error: "), "{n} {args:?}: {err}");
            }
        }
    }
    if is_root {
        owner("0");
    }
    setup.init(&["--force", "--yes"]).assert_code(0);
    for at in 0..4 {
        let run = setup.decrypt(&[&format!("{at}-secret.yaml")]);
        assert!(
            run.assert_code(0)
                .out()
                .contains("password: hunter2-canary")
        );
    }
}

/// Nobody's processes but those of the test.
const OTHER_USER: &str = "12345";

/// The name of a server is looked up on a thread.
#[test]
fn without_a_thread_for_the_name_of_the_server_it_says_so() {
    let setup = Setup::initialized("names");
    setup.encrypt("my-secret.yaml", SECRET);
    let port = setup.cluster.port();
    for url in [
        format!("https://localhost:{port}"),
        "https://no-such-host.invalid".to_owned(),
    ] {
        setup.server(&url);
        let run = refused(&setup, "1+", &["decrypt", "my-secret.yaml"]);
        let words = ["cannot reach the API server", "temporarily unavailable"];
        crate::assert_fails(&run, 1, &words);
    }
    let kubeconfig = setup.cluster.kubeconfig();
    for proxy in ["http", "https", "socks5"] {
        let proxy = format!("{proxy}://no-such-proxy.invalid:1");
        let with = kubeconfig.clone().cluster_field("proxy-url", proxy);
        setup.world.kubeconfig(&with.to_yaml());
        let run = refused(&setup, "1+", &["decrypt", "my-secret.yaml"]);
        crate::assert_fails(&run, 1, &["cannot reach the API server"]);
    }
}
