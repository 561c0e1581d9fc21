//! One table: each fault planted alone in a repository, and what each command that should
//! see it says. A cell is what the command must say, or why the fault is none of its
//! matter: no cell can be left empty, and no kind of finding can be without a fault.

mod plant;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use testkit::{Cluster, Run};

use crate::Setup;
use plant::Planted;
use table::FAULTS;

/// What a command must say of a fault.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// Exit code 3, and problems of just these kinds.
    Finds(&'static [&'static str]),
    /// It may go on, and says these words.
    Warns(&'static str),
    /// It ends with this exit code, and says these words.
    Refuses(i32, &'static str),
    /// It says nothing of it, and for this reason has nothing to say.
    Passes(Why),
}

/// Why a fault is none of a command's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Only a key tells it, and the command needs none.
    NeedsKey,
    /// Only the cluster tells it, and the command asks none.
    NeedsCluster,
    /// It is about what Flux can apply: nothing secret is exposed, and the command is about
    /// that alone.
    FluxAlone,
    /// Nothing says who may read the file, and it has the readers that it had.
    KeepsReaders,
    /// The command reads and writes no such file.
    NotItsFile,
    /// The rule is another one than that of the files which the command writes.
    NotItsRule,
    /// Saving writes the file anew, without the fault.
    Repairs,
    /// It writes new keys and readers, and the values as they are.
    KeepsValues,
}

/// A fault, and what each command says of it.
struct Fault {
    name: &'static str,
    plant: fn(&Planted<'_>),
    /// The file that `edit` opens.
    file: &'static str,
    check: Cell,
    staged: Cell,
    status: Cell,
    edit: Cell,
    plan: Cell,
}

/// Kinds that have a test of their own: a file of five megabytes is slow to make.
const TESTED_ELSEWHERE: [&str; 1] = ["too-large"];

#[test]
fn every_command_sees_every_fault_that_is_its_matter() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    cluster.install_kustomizations();
    let base = plant::Base::new(cluster);
    let failures = Mutex::new(Vec::new());
    // A Kustomization is seen by all.
    let (alone, together): (Vec<&Fault>, Vec<&Fault>) = FAULTS
        .iter()
        .partition(|fault| fault.name.starts_with("flux: "));
    let next = AtomicUsize::new(0);
    let judge = |fault: &Fault| {
        let found = judge(&base, fault);
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.extend(found);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(fault) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                    judge(fault);
                }
            });
        }
    });
    for fault in alone {
        judge(fault);
    }
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as the table says.
fn judge(base: &plant::Base, fault: &Fault) -> Vec<String> {
    let planted = Planted::new(base, fault.name);
    (fault.plant)(&planted);
    let edit = planted.edit(fault.file);
    let mut failures = Vec::new();
    if matches!(fault.edit, Cell::Passes(Why::Repairs)) {
        let run = planted.kb(&["check"]);
        if run.code != Some(0) || said(&run).contains("warning: ") {
            failures.push(format!(
                "{}: edit does not repair it: {}",
                fault.name,
                said(&run)
            ));
        }
    }
    planted.restore_after(&edit, fault);
    let runs = [
        ("check", fault.check, planted.kb(&["check", "-o", "json"])),
        ("check --staged", fault.staged, planted.staged()),
        (
            "status",
            fault.status,
            planted.kb(&["status", "-o", "json"]),
        ),
        ("edit", fault.edit, edit),
        (
            "plan",
            fault.plan,
            planted.kb(&["init", "--force", "--dry-run"]),
        ),
    ];
    for (command, cell, run) in runs {
        let is_right = match cell {
            Cell::Finds(kinds) => run.code == Some(3) && kinds_of(&run) == kinds,
            Cell::Warns(words) => run.code == Some(0) && said(&run).contains(words),
            Cell::Refuses(code, words) => run.code == Some(code) && said(&run).contains(words),
            Cell::Passes(_) => run.code == Some(0) && !said(&run).contains("warning: "),
        };
        if !is_right {
            failures.push(format!(
                "{}: {command}: not {cell:?}, but {:?} {:?}\n{}\n",
                fault.name,
                run.code,
                kinds_of(&run),
                said(&run)
            ));
        }
        assert!(!said(&run).contains("hunter"), "{}: {command}", fault.name);
    }
    failures
}

fn said(run: &Run) -> String {
    let text = String::from_utf8_lossy(&run.stdout);
    format!("{text}{}", run.err())
}

/// The kinds of the problems, as `check` and `status` print them for machines.
fn kinds_of(run: &Run) -> Vec<String> {
    let json: Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
    let lists: Vec<&Value> = match &json["problems"] {
        Value::Object(sections) => sections.values().collect(),
        list => vec![list],
    };
    let problems = lists.into_iter().filter_map(Value::as_array).flatten();
    let kinds = problems.filter_map(|problem| problem["kind"].as_str());
    let kinds: BTreeSet<&str> = kinds.collect();
    kinds.into_iter().map(ToOwned::to_owned).collect()
}

/// A kind that no row has would be one that a command may forget.
#[test]
fn every_kind_of_finding_about_files_is_in_the_table() {
    let words = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/k/secrets");
    let mut kinds = BTreeSet::new();
    for entry in [
        "finding.rs",
        "finding/file.rs",
        "status/words/files.rs",
        "status/words/config.rs",
    ] {
        let text = std::fs::read_to_string(words.join(entry)).expect("a source");
        let calls = text.split("Finding::new(").chain(text.split("of_failure("));
        let firsts = calls.skip(1).filter_map(|call| {
            let rest = call.trim_start().strip_prefix('"')?;
            rest.split_once('"').map(|(kind, _)| kind.to_owned())
        });
        kinds.extend(firsts);
        // Some are chosen first.
        for chosen in [
            "other-recipients",
            "other-selection",
            "not-encrypted",
            "not-parsed",
        ] {
            assert!(
                entry != "finding/file.rs" || text.contains(chosen),
                "{chosen}"
            );
            kinds.insert(chosen.to_owned());
        }
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
    let planted = FAULTS.iter().flat_map(|fault| {
        let cells = [fault.check, fault.staged, fault.status];
        cells.into_iter().flat_map(|cell| match cell {
            Cell::Finds(kinds) => kinds,
            _ => &[],
        })
    });
    let planted: BTreeSet<&str> = planted.copied().collect();
    let missing = kinds.iter().map(String::as_str);
    let missing: Vec<&str> = missing
        .filter(|kind| !planted.contains(kind) && !TESTED_ELSEWHERE.contains(kind))
        .collect();
    assert_eq!(missing, [] as [&str; 0]);
}
