//! Servers that others can answer for or listen to, and URLs with passwords.

use serde_json::Value;
use testkit::net::{RequestLog, SilentServer, refused_port};
use testkit::{Kubeconfig, Tools};

use crate::{SECRET, Setup, assert_fails};

const REFUSED: &str = "specifying a root certificates file with the insecure flag is not allowed";

fn ready(prefix: &str) -> Setup {
    let setup = Setup::initialized(prefix);
    setup.encrypt("my-secret.yaml", SECRET);
    setup
}

/// kb and kubectl agree which clusters of a kubeconfig may be talked to.
#[test]
fn an_authority_beside_the_insecure_flag_is_refused_as_kubectl_does() {
    let setup = ready("insecure-ca");
    let kubectl = Tools::get().kubectl();
    let ca = setup.world.write_home("ca.crt", setup.cluster.ca_pem());
    let file = Value::from(ca.to_str().expect("UTF-8"));
    let missing = Value::from("/nowhere/ca.crt");
    let data = "certificate-authority-data";
    let path = "certificate-authority";
    let whole = || setup.cluster.kubeconfig();
    let bare = || whole().without_ca();
    let cases: [(&str, Kubeconfig, bool); 8] = [
        ("data", whole(), true),
        ("file", bare().cluster_field(path, file.clone()), true),
        ("both", whole().cluster_field(path, file.clone()), true),
        (
            "missing file",
            bare().cluster_field(path, missing.clone()),
            true,
        ),
        (
            "bad data",
            bare().cluster_field(data, "bm90IGEgY2VydGlmaWNhdGU="),
            true,
        ),
        ("none", bare(), true),
        (
            "empty",
            bare().cluster_field(path, "").cluster_field(data, ""),
            true,
        ),
        ("verified", whole(), false),
    ];
    for (name, kubeconfig, insecure) in cases {
        let kubeconfig = kubeconfig.cluster_field("insecure-skip-tls-verify", insecure);
        setup.world.kubeconfig(&kubeconfig.to_yaml());
        let get = ["-n", &setup.namespace, "get", "secret", "sops-age"];
        let theirs = setup.world.tool(&kubectl, get);
        let ours = setup.decrypt(&["my-secret.yaml"]);
        assert_eq!(
            theirs.code == Some(0),
            ours.code == Some(0),
            "{name}:\n{}\n{}",
            theirs.err(),
            ours.err()
        );
        if ["data", "file"].contains(&name) {
            assert!(theirs.err().contains(REFUSED), "{}", theirs.err());
            assert_fails(&ours, 1, &[REFUSED]);
            // The hint makes it right.
            let hint = "hint: to have it verified by that authority: kubectl ";
            let command = ours.err().lines().find_map(|line| line.strip_prefix(hint));
            let words = command.expect("the hint").split(' ');
            setup.world.tool(&kubectl, words).assert_code(0);
            setup.decrypt(&["my-secret.yaml"]).assert_code(0);
        }
    }
}

const COMMANDS: &[&[&str]] = &[
    &["decrypt", "my-secret.yaml"],
    &["edit", "my-secret.yaml"],
    &["key"],
    &["exec", "--", "true"],
    &["status"],
    &["init"],
    &["init", "--use-existing"],
    &["init", "--force", "--dry-run"],
    &["init", "--force", "--yes", "--quiet"],
    &["prune"],
];

fn warnings(setup: &Setup, arguments: &[&str], words: &str) -> usize {
    let mut command = setup.command(arguments);
    command.env("EDITOR", "true");
    setup.world.run(command).err().matches(words).count()
}

#[test]
fn every_command_warns_once_of_a_server_that_is_not_verified() {
    let setup = ready("not-verified");
    let kubeconfig = setup.cluster.kubeconfig().without_ca();
    let insecure = kubeconfig.cluster_field("insecure-skip-tls-verify", true);
    setup.world.kubeconfig(&insecure.to_yaml());
    let words = format!(
        "warning: the certificate of the API server {} is not verified",
        setup.cluster.server()
    );
    for arguments in COMMANDS {
        assert_eq!(warnings(&setup, arguments, &words), 1, "{arguments:?}");
    }
    setup
        .world
        .kubeconfig(&setup.cluster.kubeconfig().to_yaml());
    for arguments in COMMANDS {
        assert_eq!(warnings(&setup, arguments, "warning: the certificate"), 0);
    }
}

#[test]
fn every_command_warns_once_of_a_server_without_tls_that_is_not_near() {
    let setup = ready("plain");
    let log = RequestLog::start();
    let near = format!("http://127.0.0.1:{}", log.port());
    let kubeconfig = |server: &str| {
        setup
            .cluster
            .kubeconfig()
            .without_ca()
            .cluster_field("server", server)
    };
    // Through a proxy on this machine, so that nothing leaves it.
    let far = kubeconfig("http://kb.invalid:8080").cluster_field("proxy-url", near.as_str());
    let words = "warning: the API server http://kb.invalid:8080 is reached without TLS";
    setup.world.kubeconfig(&far.to_yaml());
    for arguments in COMMANDS {
        assert_eq!(warnings(&setup, arguments, words), 1, "{arguments:?}");
    }
    assert!(log.was_asked());
    // kubectl proxy listens there. Behind a proxy that name is another machine.
    for (server, expected) in [(&near, 0), (&near.replace("127.0.0.1", "localhost"), 0)] {
        setup.world.kubeconfig(&kubeconfig(server).to_yaml());
        let count = warnings(&setup, &["key"], "without TLS");
        assert_eq!(count, expected, "{server}");
    }
    let proxied = kubeconfig("http://localhost:1").cluster_field("proxy-url", near.as_str());
    setup.world.kubeconfig(&proxied.to_yaml());
    assert_eq!(warnings(&setup, &["key"], "without TLS"), 1);
}

#[test]
fn a_password_or_token_in_a_servers_url_is_never_printed() {
    let setup = ready("url-secrets");
    let silent = SilentServer::start();
    let garbage = RequestLog::start();
    let real = setup.cluster.server();
    let (_, port) = real.rsplit_once(':').expect("a port");
    let port: u16 = port.parse().expect("a number");
    let whole = setup.cluster.kubeconfig();
    let no_user = serde_json::json!({"token": "nobody"});
    let cases = [
        (whole.clone(), "https", port),
        (whole.clone().user(no_user), "https", port),
        (whole.clone().without_ca(), "https", port),
        (whole.clone(), "https", refused_port()),
        (whole.clone(), "https", silent.port()),
        (whole.clone(), "https", garbage.port()),
        (whole.clone(), "http", garbage.port()),
        (
            whole
                .without_ca()
                .cluster_field("insecure-skip-tls-verify", true),
            "https",
            port,
        ),
    ];
    for (kubeconfig, scheme, port) in cases {
        for secrets in [
            "pa55word:pa55word@127.0.0.1",
            "pa55word@127.0.0.1",
            "a:pa%4055word@127.0.0.1",
        ] {
            let server = format!("{scheme}://{secrets}:{port}/?token=pa55word");
            let kubeconfig = kubeconfig.clone().cluster_field("server", server);
            setup.world.kubeconfig(&kubeconfig.to_yaml());
            for arguments in [
                &[
                    "decrypt",
                    "my-secret.yaml",
                    "-v",
                    "--request-timeout",
                    "300ms",
                ][..],
                &["status", "-o", "json", "--request-timeout", "300ms"],
                &[
                    "init",
                    "--force",
                    "--dry-run",
                    "-o",
                    "json",
                    "--request-timeout",
                    "300ms",
                ],
            ] {
                let run = setup.secrets(arguments);
                let said = format!("{}{}", run.out(), run.err());
                for secret in ["pa55word", "pa%4055word", "pa@55word"] {
                    assert!(!said.contains(secret), "{said}");
                }
                assert!(!said.is_empty());
            }
        }
    }
}
