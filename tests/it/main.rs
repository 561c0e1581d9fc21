//! kb as its users run it: the real binary in a closed world, against a real
//! API server, with the real sops and age. One cluster for all, a namespace
//! for each test.

#![expect(
    clippy::disallowed_methods,
    reason = "tests arrange files and environments"
)]

mod causes;
mod check;
mod config_edits;
mod connection;
mod connection_errors;
mod consent;
mod decrypt;
mod decrypt_errors;
mod docs;
mod edit;
mod encrypted;
mod exposure;
mod faults;
mod flux;
mod generated;
mod handing_out;
mod hints;
mod init;
mod init_config;
mod init_errors;
mod init_import;
mod init_picker;
mod init_replace;
mod init_rules;
mod kubeconfigs;
mod limits;
mod programs;
mod proxy_variables;
mod prune;
mod rotate;
mod rule_matching;
mod rule_readers;
mod servers;
mod shells;
mod slow_proxy;
mod status;
mod stdout;
mod terminal;
mod transcripts;
mod usage;
mod wiping;

use std::ffi::OsStr;
use std::path::Path;

use testkit::sample::{CANARY, SECRET};
use testkit::{Cluster, Run, World};

/// A closed world, the shared cluster, and a namespace of it.
struct Setup {
    world: World,
    cluster: &'static Cluster,
    namespace: String,
}

impl Setup {
    /// kb finds the shared cluster by `~/.kube/config`, as admin.
    fn new(prefix: &str) -> Self {
        Self::of(Cluster::shared(), prefix)
    }

    fn of(cluster: &'static Cluster, prefix: &str) -> Self {
        let setup = Self {
            world: bare_world(),
            cluster,
            namespace: cluster.new_namespace(prefix),
        };
        setup.world.kubeconfig(&cluster.kubeconfig().to_yaml());
        setup
    }

    /// As `new`, and `init` has been run.
    fn initialized(prefix: &str) -> Self {
        let setup = Self::new(prefix);
        setup.init(&[]).assert_code(0);
        setup
    }

    /// `kb k secrets …` in this setup's namespace.
    fn secrets<A: AsRef<OsStr>>(&self, args: &[A]) -> Run {
        self.world.run(self.command(args))
    }

    fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> std::process::Command {
        let mut command = self.world.kb_cmd(["k", "secrets", "-n", &self.namespace]);
        command.args(args);
        command
    }

    fn init(&self, args: &[&str]) -> Run {
        let mut command = self.command(&[&["init"], args].concat());
        if args.contains(&"--force") || args.contains(&"--use-existing") {
            command.args(engine(args));
        }
        self.world.run(command)
    }

    fn decrypt(&self, args: &[&str]) -> Run {
        self.secrets(&[&["decrypt"], args].concat())
    }

    /// The text of an entry of the cluster's Secret.
    fn entry(&self, name: &str) -> Option<String> {
        let data = self.cluster.secret(&self.namespace, "sops-age")?;
        Some(String::from_utf8(data.get(name)?.clone()).expect("text"))
    }

    /// kb finds the cluster at another URL from now on, such as a proxy's.
    fn server(&self, url: &str) {
        let kubeconfig = self.cluster.kubeconfig().cluster_field("server", url);
        self.world.kubeconfig(&kubeconfig.to_yaml());
    }

    /// kb logs in by a credential plugin, a shell script, from now on.
    fn log_in_by_plugin(&self, script: &str) {
        let plugin = self.world.script("plugin", script);
        let user = serde_json::json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": plugin.to_str(),
            "interactiveMode": "Never",
        }});
        self.world
            .kubeconfig(&self.cluster.kubeconfig().user(user).to_yaml());
    }

    /// The recipient of the cluster's key, after `init`.
    fn recipient(&self) -> String {
        recipient_of(&self.world, &self.entry("age.agekey").expect("the entry"))
    }

    fn put_key(&self, data: &[(&str, &str)]) {
        let data: Vec<(&str, &[u8])> = data.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        self.cluster.put_secret(&self.namespace, "sops-age", &data);
    }

    /// Writes a plaintext file and encrypts it with plain sops, by the rules of
    /// the repository's `.sops.yaml`.
    fn encrypt(&self, name: &str, plaintext: &str) {
        self.world.write(name, plaintext);
        self.world
            .tool("sops", ["encrypt", "--in-place", name])
            .assert_code(0);
    }

    /// Encrypts with plain sops for one recipient, without any `.sops.yaml`.
    fn encrypt_for(&self, recipient: &str, name: &str, plaintext: &str) {
        self.world.write(name, plaintext);
        let config = self.world.tmp().join("no-rules.yaml");
        std::fs::write(&config, "{}").expect("write");
        let config = config.to_str().expect("UTF-8");
        let run = self.world.tool(
            "sops",
            [
                "--config",
                config,
                "encrypt",
                "--age",
                recipient,
                "--in-place",
                name,
            ],
        );
        run.assert_code(0);
    }
}

/// What re-encrypts in this run of the tests, where they do not say it themselves.
fn engine(args: &[&str]) -> Vec<String> {
    match std::env::var(ENGINE) {
        Ok(engine) if !args.contains(&"--engine") => vec!["--engine".to_owned(), engine],
        _ => Vec::new(),
    }
}

/// The engine of all rotations, instead of kb's choice.
const ENGINE: &str = "KB_TEST_ENGINE";

fn bare_world() -> World {
    World::new(Path::new(env!("CARGO_BIN_EXE_kb")))
}

/// A keypair by the real age-keygen: private key and recipient.
fn keypair(world: &World) -> (String, String) {
    keypair_with(world, &[])
}

/// A post-quantum one.
fn post_quantum_keypair(world: &World) -> (String, String) {
    keypair_with(world, &["-pq"])
}

fn keypair_with(world: &World, options: &[&str]) -> (String, String) {
    let run = world.tool("age-keygen", options);
    let line = |start: &str| {
        let found = run.out().lines().find(|line| line.starts_with(start));
        found.expect("a line of age-keygen").to_owned()
    };
    let recipient = line("# public key: ").replace("# public key: ", "");
    (line("AGE-SECRET-KEY-"), recipient)
}

/// Puts an ed25519 key into `~/.ssh`, where sops finds it; its public half.
fn ssh_key(setup: &Setup, comment: &str, passphrase: &str) -> String {
    let path = setup
        .world
        .write_home(".ssh/placeholder", "")
        .with_file_name("id_ed25519");
    let path = path.to_str().expect("UTF-8");
    let arguments = [
        "-q", "-t", "ed25519", "-N", passphrase, "-C", comment, "-f", path,
    ];
    setup.world.tool("ssh-keygen", arguments).assert_code(0);
    let public = std::fs::read_to_string(format!("{path}.pub")).expect("the public half");
    public.trim().to_owned()
}

/// What the real age-keygen makes of a private key.
fn recipient_of(world: &World, private_key: &str) -> String {
    let command = world.tool_cmd("age-keygen", ["-y"]);
    let run = world.run_with_stdin(command, private_key.as_bytes());
    run.assert_code(0).out().trim().to_owned()
}

/// Checks that a failed command had the exit code, named what went wrong, and
/// said what to do.
#[track_caller]
fn assert_fails(run: &Run, code: i32, words: &[&str]) {
    run.assert_code(code);
    let err = run.err();
    assert!(
        err.lines().any(|line| line.starts_with("error: ")),
        "no error:\n{err}"
    );
    assert!(
        err.lines().any(|line| line.starts_with("hint: ")),
        "no hint:\n{err}"
    );
    for word in words {
        assert!(err.contains(word), "no {word:?} in:\n{err}");
    }
    assert!(
        run.stdout.is_empty(),
        "stdout: {}",
        String::from_utf8_lossy(&run.stdout)
    );
}

/// The options with which `unshare` gives a command its own mounts. Without
/// root, a user namespace gives the right to mount.
fn mount_namespace() -> Vec<&'static str> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if root {
        vec!["--mount"]
    } else {
        vec!["--mount", "--user", "--map-root-user"]
    }
}

/// Runs kb without root's right to read what its mode forbids.
fn as_ordinary_user(setup: &Setup, arguments: &[&str]) -> Run {
    let drop = [
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-all",
    ];
    let mut command = setup.world.tool_cmd("setpriv", drop);
    command.arg(env!("CARGO_BIN_EXE_kb")).args(arguments);
    setup.world.run(command)
}
