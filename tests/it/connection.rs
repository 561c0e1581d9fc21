//! Every way in which a kubeconfig leads to a cluster, against the real server.
//!
//! The proof is always the same: `decrypt` comes out right, which takes one
//! authenticated GET of the Secret.

use std::path::Path;

use serde_json::{Value, json};
use testkit::net::{HttpProxy, RequestLog, SocksProxy};
use testkit::{Kubeconfig, Run, UserKind};

use crate::{CANARY, SECRET, Setup};

/// A namespace with a key, and an encrypted file.
fn ready(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    setup.encrypt("my-secret.yaml", SECRET);
    std::fs::remove_file(setup.world.home().join(".kube/config")).expect("remove");
    setup
}

#[track_caller]
fn assert_decrypts(setup: &Setup, kubeconfig: &Kubeconfig) -> Run {
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    let run = setup.decrypt(&["my-secret.yaml"]);
    assert!(run.assert_code(0).out().contains(CANARY));
    run
}

fn exec(command: &Path, more: Value) -> Value {
    let mut exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command.to_str(),
        "interactiveMode": "Never",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    json!({ "exec": exec })
}

fn credential(status: &Value) -> String {
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    })
    .to_string()
}

/// A plugin that answers with `status` and counts its runs in a file.
fn plugin(setup: &Setup, status: &Value) -> (Value, std::path::PathBuf) {
    let runs = setup.world.tmp().join("runs");
    let answer = setup.world.tmp().join("answer.json");
    std::fs::write(&answer, credential(status)).expect("write");
    let script = format!(
        "#!/bin/sh\necho run >> '{}'\ncat '{}'\n",
        runs.display(),
        answer.display()
    );
    (
        exec(&setup.world.script("plugin", &script), json!({})),
        runs,
    )
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).expect("read").lines().count()
}

#[test]
fn several_files_in_kubeconfig_are_merged_and_missing_ones_passed_over() {
    let mut setup = ready("several");
    let whole: Value = serde_json::from_str(&setup.cluster.kubeconfig().to_yaml()).expect("JSON");
    let part = |name: &str, keep: &[&str]| {
        let mut part = json!({"apiVersion": "v1", "kind": "Config"});
        for key in keep {
            part[*key] = whole[*key].clone();
        }
        let path = setup.world.tmp().join(name);
        std::fs::write(&path, part.to_string()).expect("write");
        path
    };
    let paths = [
        part("contexts", &["contexts", "current-context"]),
        setup.world.tmp().join("not-there"),
        part("clusters", &["clusters"]),
        part("users", &["users"]),
    ];
    let list = std::env::join_paths(paths).expect("join");
    setup.world.env("KUBECONFIG", list);
    assert!(
        setup
            .decrypt(&["my-secret.yaml"])
            .assert_code(0)
            .out()
            .contains(CANARY)
    );
}

#[test]
fn the_kubeconfig_option_goes_before_the_variable() {
    let mut setup = ready("option");
    let path = setup.world.tmp().join("named");
    std::fs::write(&path, setup.cluster.kubeconfig().to_yaml()).expect("write");
    setup.world.env("KUBECONFIG", "/nowhere/at/all");
    let path = path.to_str().expect("UTF-8");
    let run = setup.decrypt(&["my-secret.yaml", "--kubeconfig", path]);
    assert!(run.assert_code(0).out().contains(CANARY));
}

#[test]
fn the_context_is_chosen_by_name() {
    let setup = ready("context");
    let kubeconfig = setup
        .cluster
        .kubeconfig()
        .context_name("prod eu")
        .current_context(None);
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    let run = setup.decrypt(&["my-secret.yaml", "--context", "prod eu"]);
    assert!(run.assert_code(0).out().contains(CANARY));
}

#[test]
fn a_client_certificate_inline_and_in_files() {
    let setup = ready("cert");
    let cluster = setup.cluster;
    let inline = json!({
        "client-certificate-data": base64(cluster.client_cert_pem()),
        "client-key-data": base64(cluster.client_key_pem()),
    });
    assert_decrypts(&setup, &cluster.kubeconfig().user(inline));
    // Paths in a kubeconfig are taken from its own directory.
    for (name, text) in [
        ("me.crt", cluster.client_cert_pem()),
        ("me.key", cluster.client_key_pem()),
    ] {
        setup.world.write_home(Path::new(".kube").join(name), text);
    }
    setup.world.write_home(".kube/ca.crt", cluster.ca_pem());
    let files = json!({"client-certificate": "me.crt", "client-key": "me.key"});
    let kubeconfig = cluster.kubeconfig().user(files).without_ca();
    assert_decrypts(
        &setup,
        &kubeconfig.cluster_field("certificate-authority", "ca.crt"),
    );
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// It is renewed, so it goes before a token that stands beside it.
#[test]
fn a_token_file() {
    let setup = ready("token");
    setup
        .world
        .write_home(".kube/token", format!("{}\n", setup.cluster.admin_token()));
    let user = json!({"tokenFile": "token", "token": "stale"});
    assert_decrypts(&setup, &setup.cluster.kubeconfig().user(user));
}

/// What kubectl does not mind: fields that are empty, and base64 in lines.
#[test]
fn empty_fields_and_wrapped_base64() {
    let setup = ready("wild");
    let wrapped = |text: &str| {
        let encoded = base64(text).into_bytes();
        let lines: Vec<_> = encoded.chunks(64).map(String::from_utf8_lossy).collect();
        lines.join("\n")
    };
    let user = json!({
        "token": setup.cluster.admin_token(),
        "username": "", "password": "", "tokenFile": "",
        "client-certificate": "", "client-key": "",
        "client-certificate-data": "", "client-key-data": "",
    });
    let ca = wrapped(setup.cluster.ca_pem());
    let kubeconfig = setup
        .cluster
        .kubeconfig()
        .cluster_field("certificate-authority-data", ca);
    let kubeconfig = kubeconfig.cluster_field("tls-server-name", "");
    assert_decrypts(&setup, &kubeconfig.user(user));
    let user = json!({
        "client-certificate-data": wrapped(setup.cluster.client_cert_pem()),
        "client-key-data": wrapped(setup.cluster.client_key_pem()),
    });
    assert_decrypts(&setup, &setup.cluster.kubeconfig().user(user));
}

#[test]
fn an_exec_plugin_with_a_token_runs_once() {
    let setup = ready("exec");
    // An expiry makes kube's own client ask again and again.
    let status = json!({
        "token": setup.cluster.admin_token(),
        "expirationTimestamp": "2099-01-01T00:00:00Z",
    });
    let (user, runs) = plugin(&setup, &status);
    assert_decrypts(&setup, &setup.cluster.kubeconfig().user(user));
    assert_eq!(lines(&runs), 1);
}

#[test]
fn an_exec_plugin_with_a_certificate_runs_once() {
    let setup = ready("execcert");
    let status = json!({
        "clientCertificateData": setup.cluster.client_cert_pem(),
        "clientKeyData": setup.cluster.client_key_pem(),
    });
    let (user, runs) = plugin(&setup, &status);
    assert_decrypts(&setup, &setup.cluster.kubeconfig().user(user));
    assert_eq!(lines(&runs), 1);
}

/// init asks the cluster several times, and the plugin still only once.
#[test]
fn init_runs_an_exec_plugin_once_too() {
    let setup = Setup::new("execinit");
    let (user, runs) = plugin(&setup, &json!({"token": setup.cluster.admin_token()}));
    setup
        .world
        .kubeconfig(&setup.cluster.kubeconfig().user(user).to_yaml());
    setup.init(&[]).assert_code(0);
    assert_eq!(lines(&runs), 1);
}

/// What the protocol hands to a plugin: its environment, the cluster, and
/// whether it may ask; and nothing that somebody pipes into kb.
#[test]
fn an_exec_plugin_gets_what_the_protocol_says() {
    let setup = ready("execinfo");
    let seen = setup.world.tmp().join("seen");
    let script = format!(
        "#!/bin/sh\n{{ echo \"$KUBERNETES_EXEC_INFO\"; echo \"$EXTRA $1\"; wc -c; }} > '{}'\necho '{}'\n",
        seen.display(),
        credential(&json!({"token": setup.cluster.admin_token()}))
    );
    let more = json!({
        "env": [{"name": "EXTRA", "value": "from-kubeconfig"}],
        "args": ["an-argument"],
        "provideClusterInfo": true,
        "interactiveMode": "IfAvailable",
    });
    let user = exec(&setup.world.script("plugin", &script), more);
    setup
        .world
        .kubeconfig(&setup.cluster.kubeconfig().user(user).to_yaml());
    let command = setup.command(&["decrypt", "my-secret.yaml"]);
    setup
        .world
        .run_with_stdin(command, b"not for the plugin")
        .assert_code(0);
    let seen = std::fs::read_to_string(&seen).expect("read");
    let mut seen = seen.lines();
    let info: Value = serde_json::from_str(seen.next().expect("a line")).expect("JSON");
    assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], setup.cluster.server());
    assert_eq!(seen.next(), Some("from-kubeconfig an-argument"));
    assert_eq!(seen.next().map(str::trim), Some("0"));
}

/// A real JWT, signed by the server, as the id-token of the `oidc` provider.
#[test]
fn an_oidc_id_token() {
    let setup = ready("oidc");
    let token = setup.cluster.service_account_token(&setup.namespace, "dev");
    let account = UserKind::ServiceAccount;
    setup
        .cluster
        .grant(&setup.namespace, account, "dev", &["get"]);
    let user = json!({"auth-provider": {"name": "oidc", "config": {
        "client-id": "kb", "idp-issuer-url": "https://127.0.0.1:1", "id-token": token,
    }}});
    assert_decrypts(&setup, &setup.cluster.kubeconfig().user(user));
}

#[test]
fn an_http_proxy_of_the_kubeconfig_also_with_a_password() {
    let setup = ready("http");
    for proxy in [
        HttpProxy::start(),
        HttpProxy::with_password("me", "p@ss:word"),
    ] {
        let kubeconfig = setup
            .cluster
            .kubeconfig()
            .cluster_field("proxy-url", proxy.url());
        assert_decrypts(&setup, &kubeconfig);
        assert_eq!(
            proxy.targets(),
            [format!("127.0.0.1:{}", setup.cluster.port())]
        );
    }
}

#[test]
fn a_socks_proxy_of_the_kubeconfig_also_with_a_password() {
    let setup = ready("socks");
    let through = |proxy: &SocksProxy, url: &str| {
        let kubeconfig = setup.cluster.kubeconfig();
        assert_decrypts(&setup, &kubeconfig.cluster_field("proxy-url", url));
        assert_eq!(proxy.targets().len(), 1);
    };
    let proxy = SocksProxy::start();
    through(&proxy, &proxy.url());
    let proxy = SocksProxy::with_password("me", "p@ss:word");
    let url = format!("socks5://me:p%40ss:word@127.0.0.1:{}", proxy.port());
    through(&proxy, &url);
}

/// As for kubectl: the environment's proxy is for servers that are neither on
/// loopback nor in `NO_PROXY`, which is held against the server's name.
#[test]
fn the_environments_proxy_is_used_where_kubectl_uses_it() {
    let mut setup = ready("envproxy");
    let proxy = HttpProxy::start();
    setup.world.env("HTTPS_PROXY", proxy.url());
    assert_decrypts(&setup, &setup.cluster.kubeconfig());
    assert_eq!(proxy.connections(), 0, "loopback goes direct");
    // A name that resolves nowhere: the proxy is asked, and cannot reach it.
    let server = format!("https://kb-test.example:{}", setup.cluster.port());
    let kubeconfig = setup.cluster.kubeconfig().cluster_field("server", server);
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    setup.decrypt(&["my-secret.yaml"]).assert_code(1);
    assert_eq!(proxy.connections(), 1);
    setup.world.env("NO_PROXY", "example.org,.example");
    setup.decrypt(&["my-secret.yaml"]).assert_code(1);
    assert_eq!(proxy.connections(), 1, "NO_PROXY names the server");
}

#[test]
fn a_tls_server_name_is_the_one_that_is_verified() {
    let setup = ready("sni");
    let kubeconfig = || setup.cluster.kubeconfig();
    assert_decrypts(
        &setup,
        &kubeconfig().cluster_field("tls-server-name", "kb-test.example"),
    );
    let wrong = kubeconfig().cluster_field("tls-server-name", "someone-else.example");
    setup.world.kubeconfig(&wrong.to_yaml());
    crate::assert_fails(&setup.decrypt(&["my-secret.yaml"]), 1, &["is not trusted"]);
}

#[test]
fn insecure_skip_tls_verify() {
    let setup = ready("insecure");
    let kubeconfig = setup.cluster.kubeconfig().without_ca();
    assert_decrypts(
        &setup,
        &kubeconfig.cluster_field("insecure-skip-tls-verify", true),
    );
}

/// A pod: no kubeconfig, and the service account's files where Kubernetes puts
/// them. The test puts them there in a mount namespace of its own.
#[test]
fn in_cluster() {
    let setup = ready("pod");
    let token = setup.cluster.service_account_token(&setup.namespace, "kb");
    let account = UserKind::ServiceAccount;
    setup
        .cluster
        .grant(&setup.namespace, account, "kb", &["get"]);
    let files = setup.world.tmp().join("serviceaccount");
    std::fs::create_dir(&files).expect("mkdir");
    std::fs::write(files.join("token"), token).expect("write");
    std::fs::write(files.join("ca.crt"), setup.cluster.ca_pem()).expect("write");
    std::fs::write(files.join("namespace"), &setup.namespace).expect("write");
    let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && \
                  cp -r \"$1\" /run/secrets/kubernetes.io/serviceaccount && \
                  exec \"$2\" k secrets decrypt -n \"$3\" my-secret.yaml";
    let kb = env!("CARGO_BIN_EXE_kb");
    let files = files.to_str().expect("UTF-8");
    let mut command = setup.world.tool_cmd("unshare", crate::mount_namespace());
    command.args(["sh", "-c", script, "sh", files, kb, &setup.namespace]);
    command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    command.env("KUBERNETES_SERVICE_PORT", setup.cluster.port().to_string());
    let run = setup.world.run(command);
    assert!(run.assert_code(0).out().contains(CANARY));
}

/// As with kubectl, for anyone on the network path can read them. Whom to act as is no
/// secret.
#[test]
fn no_credentials_are_sent_without_tls() {
    let setup = ready("without-tls");
    let log = RequestLog::start();
    let user = json!({"token": "secret-token", "as": "someone"});
    let server = format!("http://127.0.0.1:{}", log.port());
    let kubeconfig = setup.cluster.kubeconfig().user(user);
    let kubeconfig = kubeconfig.cluster_field("server", server);
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    setup.decrypt(&["my-secret.yaml"]).assert_code(1);
    let asked = log.take().concat();
    assert!(asked.contains("impersonate-user: someone"), "{asked}");
    assert!(!asked.contains("secret-token"), "{asked}");
}

/// A relative directory of the PATH may be in a stranger's repository.
#[test]
fn a_plugin_is_not_taken_from_a_relative_directory_of_the_path() {
    let mut setup = ready("relative");
    let script = setup.world.script("a-plugin", "#!/bin/sh\ntouch ran\n");
    std::fs::copy(script, setup.world.path("stray-plugin")).expect("copy");
    let user = exec(Path::new("stray-plugin"), json!({}));
    let kubeconfig = setup.cluster.kubeconfig().user(user);
    setup.world.kubeconfig(&kubeconfig.to_yaml());
    setup.world.env("PATH", ".::/usr/bin:/bin");
    let run = setup.secrets(&["key"]);
    crate::assert_fails(&run, 1, &["stray-plugin", "it is not installed"]);
    assert!(!setup.world.path("ran").exists());
}

#[test]
fn a_pipe_is_read_once_and_one_without_a_writer_can_be_interrupted() {
    let mut setup = ready("fifo");
    let pipe = setup.world.tmp().join("fifo");
    setup.world.tool("mkfifo", [&pipe]).assert_code(0);
    let twice = std::env::join_paths([&pipe, &pipe]).expect("join");
    setup.world.env("KUBECONFIG", twice);
    let text = setup.cluster.kubeconfig().to_yaml();
    let writer = std::thread::spawn(move || std::fs::write(pipe, text));
    setup.decrypt(&["my-secret.yaml"]).assert_code(0);
    writer.join().expect("no panic").expect("written");
    let waiting = setup
        .world
        .spawn(setup.command(&["decrypt", "my-secret.yaml"]));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = waiting.pid().to_string();
    setup.world.tool("kill", ["-INT", &pid]).assert_code(0);
    let start = std::time::Instant::now();
    // It has ended when it only waits to be waited for.
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    while !stat().contains(") Z ") {
        assert!(start.elapsed().as_secs() < 20, "it goes on waiting");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    waiting.kill();
}

/// No file at all, not even the default one, as for kubectl.
#[test]
fn a_kubeconfig_variable_of_separators_alone_names_no_file() {
    let mut setup = Setup::new("separators");
    setup.world.env("KUBECONFIG", "::");
    let run = setup.secrets(&["key"]);
    crate::assert_fails(&run, 1, &["no kubeconfig: no file is named"]);
}
