//! A cluster that cannot be asked: what is wrong, and what to do.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::net::{SilentServer, refused_port};

use crate::{SECRET, Setup, assert_fails, bare_world};

fn ready(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    setup.encrypt("my-secret.yaml", SECRET);
    setup
}

fn decrypt_with(setup: &Setup, kubeconfig: &str, arguments: &[&str]) -> testkit::Run {
    setup.world.kubeconfig(kubeconfig);
    setup.decrypt(&[&["my-secret.yaml"], arguments].concat())
}

#[test]
fn no_kubeconfig() {
    let world = bare_world();
    insta::assert_snapshot!(world.kb(["k", "secrets", "init"]).snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: no kubeconfig: [HOME]/.kube/config does not exist
    hint: --kubeconfig FILE, or KUBECONFIG=FILE, names the kubeconfig of the cluster
    ");
    let run = world.kb(["k", "secrets", "init", "--kubeconfig", "nowhere"]);
    assert_fails(&run, 1, &["cannot read the kubeconfig nowhere"]);
    assert!(!world.path(".sops.yaml").exists());
}

#[test]
fn an_unknown_context_lists_those_there_are() {
    let setup = ready("unknown");
    let run = setup.decrypt(&["my-secret.yaml", "--context", "prod"]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the kubeconfig has no context "prod"
    hint: the contexts there are: test
    "#);
    let without = setup.cluster.kubeconfig().current_context(None).to_yaml();
    let run = decrypt_with(&setup, &without, &[]);
    assert_fails(
        &run,
        1,
        &["no current context", "--context NAME chooses one of test"],
    );
}

#[test]
fn a_kubeconfig_that_does_not_hold_together() {
    let setup = ready("broken");
    let whole = || setup.cluster.kubeconfig();
    let cases = [
        ("clusters: [".to_owned(), "config:1:"),
        ("{\"users\": \"secret-token\"}".to_owned(), "config:1:"),
        (
            whole().cluster_field("server", json!(null)).to_yaml(),
            "has no server",
        ),
        (
            whole().cluster_field("server", "127.0.0.1").to_yaml(),
            "cluster \"test\": its server is not a URL that begins with https:// or http://",
        ),
        (
            whole()
                .cluster_field("certificate-authority-data", "AAAA")
                .to_yaml(),
            "no valid certificate",
        ),
        (
            whole()
                .cluster_field("certificate-authority-data", "%")
                .to_yaml(),
            "certificate-authority-data is not base64",
        ),
        (
            whole()
                .without_ca()
                .cluster_field("certificate-authority", "/no")
                .to_yaml(),
            "/no",
        ),
        (
            whole().user(json!({"tokenFile": "/nowhere"})).to_yaml(),
            "/nowhere",
        ),
        (
            whole()
                .user(json!({"client-certificate-data": "AAAA"}))
                .to_yaml(),
            "it has a client certificate without client-key-data or client-key",
        ),
        (
            whole()
                .user(json!({"client-certificate-data": "AAAA", "client-key-data": "AAAA"}))
                .to_yaml(),
            "do not load",
        ),
        (
            whole()
                .to_yaml()
                .replace("\"user\": \"test\"", "\"user\": \"gone\""),
            "user \"gone\"",
        ),
        (
            whole()
                .user(json!({"auth-provider": {"name": "azure", "config": {}}}))
                .to_yaml(),
            "azure",
        ),
    ];
    for (kubeconfig, words) in cases {
        let run = decrypt_with(&setup, &kubeconfig, &[]);
        assert_fails(&run, 1, &[words]);
        assert!(!run.err().contains("secret-token"), "{}", run.err());
    }
}

#[test]
fn a_server_that_is_not_there() {
    let setup = ready("refused");
    let server = format!("https://127.0.0.1:{}", refused_port());
    let kubeconfig = setup.cluster.kubeconfig().cluster_field("server", server);
    insta::assert_snapshot!(decrypt_with(&setup, &kubeconfig.to_yaml(), &[]).snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: cannot reach the API server https://127.0.0.1:[PORT]: Connection refused (os error 111)
    hint: is the cluster up, and the VPN on? --context chooses another cluster
    ");
    let kubeconfig = setup
        .cluster
        .kubeconfig()
        .cluster_field("server", "https://no-such-host.invalid");
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    assert_fails(
        &run,
        1,
        &["cannot reach the API server https://no-such-host.invalid"],
    );
}

/// It accepts the connection and says nothing: an error within the time limit.
/// The bound is generous; what it must not be is forever.
#[test]
fn a_server_that_stays_silent() {
    let setup = ready("silent");
    let silent = SilentServer::start();
    for scheme in ["https", "http"] {
        let server = format!("{scheme}://127.0.0.1:{}", silent.port());
        let kubeconfig = setup.cluster.kubeconfig().cluster_field("server", server);
        let start = Instant::now();
        let run = decrypt_with(
            &setup,
            &kubeconfig.to_yaml(),
            &["--request-timeout", "300ms"],
        );
        assert_fails(
            &run,
            1,
            &["did not answer within 0.3 s", "--request-timeout"],
        );
        assert!(start.elapsed() < Duration::from_secs(20));
    }
    assert!(silent.connections() >= 2);
}

/// A proxy that stays silent, through kube's own connection.
#[test]
fn a_proxy_that_stays_silent() {
    let setup = ready("silentproxy");
    let silent = SilentServer::start();
    for scheme in ["http", "socks5"] {
        let proxy = format!("{scheme}://127.0.0.1:{}", silent.port());
        let kubeconfig = setup.cluster.kubeconfig().cluster_field("proxy-url", proxy);
        let run = decrypt_with(
            &setup,
            &kubeconfig.to_yaml(),
            &["--request-timeout", "300ms"],
        );
        assert_fails(&run, 1, &["did not answer within 0.3 s"]);
    }
    let kubeconfig = setup
        .cluster
        .kubeconfig()
        .cluster_field("proxy-url", "ftp://me:pass@127.0.0.1:1");
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    assert_fails(
        &run,
        1,
        &["cluster \"test\": proxy-url is not a URL", "socks5://"],
    );
    assert!(!run.err().contains("pass"), "{}", run.err());
}

#[test]
fn a_certificate_that_is_not_trusted() {
    let setup = ready("untrusted");
    let kubeconfig = setup.cluster.kubeconfig().without_ca();
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    assert_fails(
        &run,
        1,
        &["the certificate of the API server", "is not trusted"],
    );
    let other = testkit::Pki::generate();
    let kubeconfig = kubeconfig.cluster_field("certificate-authority-data", base64(&other.ca));
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    insta::assert_snapshot!(run.snapshot(), @"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the certificate of the API server https://127.0.0.1:[PORT] is not trusted: no authority that is trusted issued it
    hint: certificate-authority must name who issued it, and server a host it is for
    hint: to see the kubeconfig, such as its server: kubectl config view
    ");
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn credentials_that_are_not_accepted() {
    let setup = ready("unauthorized");
    let wrong = setup.cluster.kubeconfig().user(json!({"token": "wrong"}));
    let run = decrypt_with(&setup, &wrong.to_yaml(), &[]);
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the API server https://127.0.0.1:[PORT] does not accept the credentials of context "test"
    hint: log in again with the tool that wrote the kubeconfig
    hint: then try: kubectl auth whoami
    "#);
    // kubectl asks for a password on the terminal, which no API server accepts any more.
    let run = decrypt_with(
        &setup,
        &setup.cluster.kubeconfig().user(json!({})).to_yaml(),
        &[],
    );
    assert_fails(&run, 1, &["user \"test\": it has no credentials"]);
}

#[test]
fn a_right_that_is_missing_names_verb_resource_and_user() {
    let setup = ready("forbidden");
    let user = json!({"token": setup.cluster.nobody_token()});
    let run = decrypt_with(
        &setup,
        &setup.cluster.kubeconfig().user(user).to_yaml(),
        &[],
    );
    insta::assert_snapshot!(run.snapshot(), @r#"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: the API server denies it: secrets "sops-age" is forbidden: User "nobody" cannot get resource "secrets" in API group "" in the namespace "[NS]"
    hint: ask for a Role with the verb get on secrets in the namespace [NS]
    "#);
}

#[test]
fn an_exec_plugin_that_fails_says_why_and_leaks_nothing() {
    let setup = ready("plugin");
    let with = |exec: serde_json::Value| {
        setup
            .cluster
            .kubeconfig()
            .user(json!({"exec": exec}))
            .to_yaml()
    };
    let api = "client.authentication.k8s.io/v1";
    let run = decrypt_with(
        &setup,
        &with(
            json!({"apiVersion": api, "command": "no-such-plugin", "interactiveMode": "Never", "installHint": "brew install no-such-plugin"}),
        ),
        &[],
    );
    assert_fails(
        &run,
        1,
        &["no-such-plugin", "it is not installed", "brew install"],
    );
    let script = |text: &str| {
        setup
            .world
            .script("plugin", text)
            .to_str()
            .expect("UTF-8")
            .to_owned()
    };
    let cases = [
        (
            "#!/bin/sh\necho secret-token\nexit 3\n",
            "it failed (exit status: 3)",
        ),
        ("#!/bin/sh\necho secret-token\n", "not an ExecCredential"),
        (
            "#!/bin/sh\necho '{\"status\": {}}'\n",
            "not an ExecCredential",
        ),
    ];
    for (text, words) in cases {
        let exec = json!({"apiVersion": api, "command": script(text), "interactiveMode": "Never"});
        let run = decrypt_with(&setup, &with(exec), &[]);
        assert_fails(&run, 1, &[words]);
        assert!(!run.err().contains("secret-token"), "{}", run.err());
    }
    let exec =
        json!({"apiVersion": api, "command": script("#!/bin/sh\n"), "interactiveMode": "Always"});
    assert_fails(
        &decrypt_with(&setup, &with(exec), &[]),
        1,
        &["needs a terminal"],
    );
}

/// An id-token that has expired, with nothing to renew it.
#[test]
fn an_expired_login_says_so() {
    let setup = ready("expired");
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.x";
    let user = json!({"auth-provider": {"name": "oidc", "config": {
        "client-id": "kb", "idp-issuer-url": "https://127.0.0.1:1", "id-token": token,
    }}});
    let run = decrypt_with(
        &setup,
        &setup.cluster.kubeconfig().user(user).to_yaml(),
        &[],
    );
    assert_fails(&run, 1, &["context \"test\"", "log in again"]);
    assert!(!run.err().contains(token), "{}", run.err());
}

#[test]
fn a_server_that_is_no_api_server() {
    let setup = ready("noapi");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().expect("accept");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>hi</html");
    });
    let kubeconfig = setup
        .cluster
        .kubeconfig()
        .cluster_field("server", format!("http://127.0.0.1:{port}"));
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    assert_fails(&run, 1, &["does not answer like a Kubernetes API server"]);
    server.join().expect("server");
}

/// A file that is there and cannot be read may hold the context that is meant:
/// the next one must not stand in for it.
#[test]
fn an_unreadable_kubeconfig_is_not_passed_over() {
    let mut setup = ready("private");
    let private = setup.world.write_home("private", "clusters: []");
    let next = setup
        .world
        .kubeconfig(&setup.cluster.kubeconfig().to_yaml());
    std::fs::set_permissions(
        &private,
        std::os::unix::fs::PermissionsExt::from_mode(0o000),
    )
    .expect("chmod");
    let list = std::env::join_paths([&private, &next]).expect("join");
    setup.world.env("KUBECONFIG", list);
    let run = crate::as_ordinary_user(&setup, &["k", "secrets", "decrypt", "my-secret.yaml"]);
    assert_fails(
        &run,
        1,
        &["cannot read the kubeconfig", "private", "Permission denied"],
    );
}

/// A token with a line end in it cannot stand in a header.
#[test]
fn a_token_that_is_none_is_told() {
    let setup = ready("badtoken");
    for user in [json!({"token": "a\nb"}), json!({"tokenFile": "token"})] {
        setup.world.write_home(".kube/token", "a\nb\n");
        let run = decrypt_with(
            &setup,
            &setup.cluster.kubeconfig().user(user).to_yaml(),
            &[],
        );
        assert_fails(
            &run,
            1,
            &["config:", "user \"test\": its token", "a line end"],
        );
    }
}

#[test]
fn a_proxy_variable_that_is_no_url_is_told_and_not_gone_around() {
    let mut setup = ready("badproxy");
    let server = format!("https://kb-test.example:{}", setup.cluster.port());
    setup.world.env("HTTPS_PROXY", "ftp://user:pass@proxy");
    let kubeconfig = setup.cluster.kubeconfig().cluster_field("server", server);
    let run = decrypt_with(&setup, &kubeconfig.to_yaml(), &[]);
    assert_fails(&run, 1, &["HTTPS_PROXY is not a URL that begins with"]);
    assert!(!run.err().contains("pass"), "{}", run.err());
}
