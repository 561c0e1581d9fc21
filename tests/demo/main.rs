//! The whole workflow on a throwaway cluster, as a transcript: `cargo demo`.
//!
//! Everything in it is real: the API server, sops, age and kb. It is a test
//! too: a command that fails ends it with an error.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a transcript is what the demo is for, and it arranges files"
)]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use testkit::sample::{CANARY, SECRET};
use testkit::{Cluster, World};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let keep = match arguments.as_slice() {
        [] => false,
        [option] if option == "--keep" => true,
        // `cargo test -- …` hands every test program the same words, and those
        // are for others.
        _ => {
            eprintln!("The demo was not run: its only option is --keep.");
            return ExitCode::SUCCESS;
        }
    };
    match run(keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(keep: bool) -> Result<()> {
    say("Starting a throwaway cluster: etcd and kube-apiserver on loopback.");
    let cluster = Cluster::start();
    cluster.create_namespace("flux-system");
    let mut world = World::new(Path::new(env!("CARGO_BIN_EXE_kb")));
    let memory = world.runtime_dir();
    let kubeconfig = world.kubeconfig(&cluster.kubeconfig().context_name("demo").to_yaml());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kb"), world.bin().join("kb"))
        .context("linking kb into the demo's PATH")?;
    let demo = Demo { world };

    say("The cluster gets its age key. The private half is shown once, here.");
    demo.type_in("kb k secrets init")?;
    say("The public half stands in .sops.yaml, which sops reads.");
    demo.type_in("cat .sops.yaml")?;

    say(
        "A Secret is typed into an editor, which sees it in memory only. By that rule\n\
         # the file is encrypted for this cluster. (Here the editor is a program that\n\
         # takes the text from stdin.)",
    );
    demo.type_in(&format!(
        "EDITOR='cp /dev/stdin' kb k secrets edit apps/db-secret.yaml <<'EOF'\n{SECRET}EOF"
    ))?;
    let encrypted = demo.type_in("head -n 9 apps/db-secret.yaml")?;
    ensure!(
        encrypted.contains("ENC[AES256_GCM,"),
        "the Secret is not encrypted"
    );

    say("Whoever may read the cluster's Secret can decrypt it. No key is on this disk.");
    let plaintext = demo.type_in("kb k secrets decrypt apps/db-secret.yaml")?;
    ensure!(
        plaintext.contains(CANARY),
        "the plaintext did not come back"
    );
    demo.type_in(
        "kb k secrets decrypt apps/db-secret.yaml --extract '[\"stringData\"][\"password\"]'; echo",
    )?;

    demo.guard()?;

    say("A value is edited. Git sees that value, the MAC and the date, and nothing else.");
    demo.type_in("git add -A && git commit -q -m 'db: its password'")?;
    demo.type_in("EDITOR='sed -i s/admin/owner/' kb k secrets edit apps/db-secret.yaml")?;
    let changed = demo.type_in("git diff -U0 | grep '^[-+] ' | cut -c -60")?;
    // The date has seconds, and may be the same.
    ensure!(changed.lines().count() <= 6, "the diff is not small");

    say(
        "A text that Kubernetes would refuse is not saved. On a terminal it comes back in the\n\
         # editor, with the reason above it.",
    );
    demo.type_in(
        "EDITOR='sed -i s/owner/5432/' kb k secrets edit apps/db-secret.yaml; echo \"exit code $?\"",
    )?;

    say(
        "What was typed is kept where the editor or the connection fails: as a draft, which is\n\
         # encrypted for the keys of the file's rule.",
    );
    demo.type_in(
        "EDITOR='sh -c \"sed -i s/owner/guest/ $0; exit 1\"' kb k secrets edit apps/db-secret.yaml; echo \"exit code $?\"",
    )?;
    demo.type_in("kb k secrets drafts")?;
    demo.type_in("kb k secrets edit apps/db-secret.yaml --discard")?;

    say("A second init changes nothing.");
    demo.type_in("kb k secrets init")?;

    demo.rotate()?;
    say("Is everything in line: the cluster's key, .sops.yaml, the files, Flux?");
    let status = demo.type_in("kb k secrets status")?;
    ensure!(status.contains("All is in line."), "not all is in line");

    if keep {
        let bin = demo.world.bin();
        say("The cluster goes on until you press Ctrl-C here. In another terminal:");
        println!("export KUBECONFIG={}", kubeconfig.display());
        println!("export XDG_RUNTIME_DIR={}", memory.display());
        println!("export PATH={}:$PATH", bin.display());
        println!("cd {}", demo.world.repo().display());
        // After a signal everything is dropped, and so removed, as at any end.
        Signals::new([SIGINT, SIGTERM, SIGHUP])?.forever().next();
    }
    say("Done. The cluster and everything in it is gone again.");
    Ok(())
}

struct Demo {
    world: World,
}

impl Demo {
    fn guard(&self) -> Result<()> {
        say("The guard against plaintext in Git looks at what is staged; it needs no cluster.");
        self.type_in(&format!(
            "cat > apps/token-secret.yaml <<'EOF'\n{}EOF\ngit add apps",
            SECRET.replace("name: db", "name: token")
        ))?;
        let found = self.type_in("kb k secrets check --staged; echo \"exit code $?\"")?;
        ensure!(found.contains("exit code 3"), "the plaintext was not found");
        self.type_in("kb k secrets check --fix && git add apps && kb k secrets check --staged")?;
        let encrypted = self.world.read("apps/token-secret.yaml");
        ensure!(!encrypted.contains(CANARY), "it is not encrypted");
        Ok(())
    }

    fn rotate(&self) -> Result<()> {
        say("Rotation. Beside the cluster's file lies one of another cluster.");
        self.type_in(
            "mkdir other && echo 'password: theirs' > other/db-secret.yaml &&\n  \
             recipient=$(age-keygen 2>/dev/null | sed -n 's/# public key: //p') &&\n  \
             sed -i \"/^creation_rules/a\\  - {path_regex: ^other/, age: $recipient}\" .sops.yaml &&\n  \
             sops encrypt --in-place other/db-secret.yaml",
        )?;
        self.type_in("git add -A && git commit -q -m 'as it is deployed'")?;
        let theirs = self.world.read_bytes("other/db-secret.yaml");
        self.type_in("kb k secrets init --force --context demo")?;
        self.type_in("git diff --stat | cat")?;
        ensure!(
            self.world.read_bytes("other/db-secret.yaml") == theirs,
            "the other cluster's file has changed"
        );
        say("What is deployed is for the old key, which the cluster keeps for that long.");
        let show = "git show HEAD:apps/db-secret.yaml > deployed.yaml";
        self.type_in(&format!("{show} && kb k secrets decrypt deployed.yaml"))?;
        say("When it is pushed and applied, the old key can go.");
        self.type_in("rm deployed.yaml && git commit -q -a -m 'rotated'")?;
        self.type_in("kb k secrets prune --yes > /dev/null")?;
        let plaintext = self.type_in("kb k secrets decrypt apps/db-secret.yaml")?;
        ensure!(plaintext.contains(CANARY), "the new key does not open it");
        Ok(())
    }

    /// Shows a command, runs it, and shows what it wrote: stdout and stderr in one, in the
    /// order in which a terminal would get them. Returns that.
    fn type_in(&self, line: &str) -> Result<String> {
        println!("\n$ {line}");
        let run = self.world.tool("sh", ["-c", &format!("exec 2>&1\n{line}")]);
        print!("{}", run.out());
        ensure!(run.code == Some(0), "`{line}` ended with {}", run.status);
        Ok(run.out().to_owned())
    }
}

fn say(text: &str) {
    println!("\n# {text}");
}
