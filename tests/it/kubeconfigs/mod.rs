//! Where kubeconfigs lead kb, and where they lead kubectl.

mod generate;
mod recorder;
mod yaml;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use testkit::net::{HttpProxy, SocksProxy};
use testkit::{Pki, Tools, World};

use crate::bare_world;
use crate::generated::cases;
use generate::{Places, kubeconfig};
use recorder::Recorders;

/// How many cases, of up to three files each, if nothing else is said.
const CASES: u64 = 60;

const VERSION: &str = "client.authentication.k8s.io/v1";

/// What a kubeconfig may refer to, in a directory: certificates, tokens, a plugin.
fn arrange(world: &World, directory: &Path, pkis: [&Pki; 2]) {
    std::fs::create_dir_all(directory).expect("a directory");
    let write =
        |name: String, text: &str| std::fs::write(directory.join(name), text).expect("written");
    for (number, pki) in pkis.iter().enumerate() {
        write(format!("ca{number}.crt"), &pki.ca);
        write(format!("me{number}.crt"), &pki.client_cert);
        write(format!("me{number}.key"), &pki.client_key);
    }
    for (name, text) in [
        ("token", "in-file\n"),
        ("empty", ""),
        ("blank", " \n"),
        ("two", "a\nb\n"),
    ] {
        write(name.to_owned(), text);
    }
    let certificate = serde_json::json!({
        "clientCertificateData": pkis[0].client_cert,
        "clientKeyData": pkis[0].client_key,
    });
    let mut both = certificate.clone();
    both["token"] = "EXTRA".into();
    for (name, version, kind, status) in [
        (
            "token",
            VERSION,
            "ExecCredential",
            serde_json::json!({"token": "EXTRA"}),
        ),
        ("certificate", VERSION, "ExecCredential", certificate),
        ("both", VERSION, "ExecCredential", both),
        (
            "half",
            VERSION,
            "ExecCredential",
            serde_json::json!({"clientKeyData": "x"}),
        ),
        ("none", VERSION, "ExecCredential", serde_json::json!({})),
        (
            "old",
            "client.authentication.k8s.io/v1alpha1",
            "ExecCredential",
            serde_json::json!({"token": "t"}),
        ),
        ("kind", VERSION, "Secret", serde_json::json!({"token": "t"})),
    ] {
        let answer = serde_json::json!({"apiVersion": version, "kind": kind, "status": status});
        write(format!("answer-{name}"), &answer.to_string());
    }
    let script = format!(
        "#!/bin/sh\nprintf %s \"$KUBERNETES_EXEC_INFO\" >{0}/info\n\
         case \"$KUBERNETES_EXEC_INFO\" in *v1beta1*) beta=beta1;; esac\n\
         sed \"s/EXTRA/t-$EXTRA/; s/io.v1\\\"/io\\/v1$beta\\\"/\" \"{0}/answer-$1\"\n",
        directory.display()
    );
    let plugin = world.script("kb-test-plugin", &script);
    std::fs::copy(plugin, directory.join("plugin")).expect("copied");
}

/// What a plugin was told, without what is null.
fn plugin_info(directory: &Path) -> Option<Value> {
    fn prune(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(prune);
        }
    }
    let path = directory.join("info");
    let info = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(path).expect("removed");
    let mut info = serde_json::from_str(&info).unwrap_or(Value::String(info));
    prune(&mut info);
    Some(info)
}

/// The same server is asked with the same credentials, and a plugin is told the same; or
/// neither asks anyone. What kubectl does with a server without a scheme and without any
/// (http://, and localhost:8080) is not recorded.
#[test]
#[expect(clippy::print_stdout, reason = "shown where it fails")]
fn generated_kubeconfigs_lead_kb_where_they_lead_kubectl() {
    let kubectl = Tools::get().kubectl();
    let kubectl = kubectl.to_str().expect("UTF-8");
    let pkis = [Pki::generate(), Pki::generate()];
    let pkis = [&pkis[0], &pkis[1]];
    let (socks, proxy) = (SocksProxy::start(), HttpProxy::start());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let worlds: Vec<(World, PathBuf, Recorders)> = (0..workers)
        .map(|_| {
            let world = bare_world();
            let directory = world.tmp().join("kubeconfigs");
            arrange(&world, &directory, pkis);
            (world, directory, Recorders::start(pkis[0], pkis[1]))
        })
        .collect();
    let (asked, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
    cases(CASES, |rng, worker| {
        let (world, directory, recorders) = &worlds[worker];
        let places = Places {
            recorders,
            pkis,
            socks: &socks.url(),
            http_proxy: &proxy.url(),
            directory: directory.to_str().expect("UTF-8"),
        };
        let names = ["one", "two", "three", "not-there", ""];
        let mut files = Vec::new();
        for name in &names[..rng.usize(1..=3)] {
            std::fs::write(directory.join(name), kubeconfig(rng, &places)).expect("written");
            files.push(directory.join(name));
        }
        let named = files[0].clone();
        if rng.u32(..6) == 0 {
            files.insert(rng.usize(..=files.len()), directory.join("not-there"));
        }
        if rng.u32(..10) == 0 {
            files.insert(rng.usize(..=files.len()), PathBuf::new());
        }
        let mut options = Vec::new();
        match rng.u32(..10) {
            0 | 1 => options.extend(["--context", ["a", "a", "b", "c", "z", ""][rng.usize(..6)]]),
            2 => options.extend(["--kubeconfig", named.to_str().expect("UTF-8")]),
            _ => {}
        }
        let list = std::env::join_paths(&files).expect("paths");
        let ask = |mut command: std::process::Command| {
            command.args(&options).env("KUBECONFIG", &list);
            let run = world.run(command);
            (recorders.take(), plugin_info(directory), run)
        };
        let (by_kubectl, told_by_kubectl, judged) =
            ask(world.tool_cmd(kubectl, ["version", "--request-timeout=20s"]));
        let (by_kb, told_by_kb, run) =
            ask(world.kb_cmd(["k", "secrets", "key", "--request-timeout=20s"]));
        all.fetch_add(1, Ordering::Relaxed);
        asked.fetch_add(usize::from(by_kubectl.is_some()), Ordering::Relaxed);
        let shown = || {
            let files = files.iter().filter_map(|file| std::fs::read(file).ok());
            let texts: Vec<_> = files
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .collect();
            format!(
                "options {options:?}, files:\n{}\nkubectl: {}{}\nkb: {}",
                texts.join("\n=====\n"),
                judged.out(),
                judged.err(),
                run.err()
            )
        };
        assert_eq!(by_kb, by_kubectl, "{}", shown());
        run.assert_code(1);
        if by_kb.is_some() {
            assert_eq!(told_by_kb, told_by_kubectl, "{}", shown());
        }
    });
    let (asked, all) = (asked.into_inner(), all.into_inner());
    assert!(all < 50 || asked > 3, "{asked} of {all} asked a server");
    println!("{asked} of {all} kubeconfigs led to a server");
}
