//! The table of who stays, who leaves, and what nobody has decided.

use std::path::Path;

use super::*;
use crate::core::encrypted::EncryptedFile;
use crate::core::readers::Readers;

const SERVER: &str = "https://vault.example.org/v1/transit/keys/k";

const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL2GGPcOe5Uc+GuNFzIdV9cP4Y7RgW8qkA0c1k3T9c0F";

/// Keys by name; each is made once.
struct Names(Vec<(&'static str, Recipient)>);

impl Names {
    fn new() -> Self {
        let names = ["old", "new", "retired", "prod", "ex", "safe", "dev"];
        Self(names.map(|name| (name, Identity::generate().1)).into())
    }

    fn key(&self, name: &str) -> Recipient {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{name}")).1.clone()
    }

    fn reader(&self, name: &str) -> Reader {
        match name {
            "server" => Reader::vault(SERVER),
            "ssh" => Reader::Age(format!("{SSH_KEY} me").parse().expect("a recipient")),
            "ssh-comment" => {
                let text = format!("{SSH_KEY} x,{}", self.key("ex"));
                Reader::Age(text.parse().expect("a recipient"))
            }
            "pgp" => Reader::pgp("0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567"),
            "pgp-short" => Reader::pgp("89ABCDEF01234567"),
            name => Reader::Age(self.key(name)),
        }
    }

    fn readers(&self, names: &str) -> Vec<Reader> {
        let names = names.split_whitespace();
        names.map(|name| self.reader(name)).collect()
    }

    fn group(&self, names: &str) -> Readers {
        Readers {
            groups: vec![self.readers(names)],
            threshold: None,
        }
    }

    fn file(&self, names: &str) -> EncryptedFile {
        let mut text = "a: x\nsops:\n  mac: ENC[AES256_GCM,data:x]\n".to_owned();
        let readers = self.readers(names);
        let mut lists = std::collections::BTreeMap::<&str, String>::new();
        for reader in &readers {
            let entry = match reader {
                Reader::Age(key) => format!("  - recipient: {key}\n    enc: x\n"),
                Reader::Pgp(key) => format!("  - fp: {key}\n    enc: x\n"),
                Reader::Vault {
                    address,
                    engine,
                    key,
                } => format!(
                    "  - vault_address: {address}\n    engine_path: {engine}\n    key_name: {key}\n    enc: x\n"
                ),
                other => panic!("{other}"),
            };
            lists
                .entry(reader.kind().metadata_name())
                .or_default()
                .push_str(&entry);
        }
        for (name, entries) in lists {
            text.push_str(&format!("  {name}:\n{entries}"));
        }
        EncryptedFile::parse(Path::new("a.yaml"), text.as_bytes()).expect("an encrypted file")
    }

    fn shown(&self, readers: &[Reader]) -> String {
        let mut names: Vec<&str> = readers
            .iter()
            .map(|reader| {
                let known = ["server", "pgp", "pgp-short", "ssh", "ssh-comment"].into_iter();
                let all = known.chain(self.0.iter().map(|(name, _)| *name));
                all.into_iter()
                    .find(|name| self.reader(name) == *reader)
                    .unwrap_or("?")
            })
            .collect();
        names.sort_unstable();
        names.join(" ")
    }
}

struct Case {
    goal: NewRecipients,
    file: &'static str,
    rule: Option<&'static str>,
    reviewed: Option<&'static str>,
    drop: &'static str,
    keep: &'static str,
    accept: &'static str,
    servers: bool,
    expected: &'static str,
}

const CASE: Case = Case {
    goal: NewRecipients::ReplaceKey,
    file: "old",
    rule: Some("old"),
    reviewed: None,
    drop: "",
    keep: "",
    accept: "",
    servers: false,
    expected: "",
};

#[test]
fn who_can_read_a_file_is_decided_by_its_rule() {
    let names = Names::new();
    let rotate = |file, rule, expected| Case {
        file,
        rule,
        expected,
        ..CASE
    };
    let cases = [
        rotate("old", Some("old"), "new"),
        rotate("old old", Some("old"), "new"),
        rotate("old dev", Some("old dev"), "dev new"),
        // C1: a recipient that somebody put into the metadata.
        rotate("old ex", Some("old"), "new -ex"),
        // R2: someone who has left the rule.
        rotate("old dev ex", Some("old dev"), "dev new -ex"),
        // A rule that gained someone: a rotation adds nobody.
        rotate("old", Some("old dev"), "new"),
        // The rule has the new key, or a retired one: of the same cluster.
        rotate("old dev", Some("new dev"), "dev new"),
        rotate("old dev", Some("retired dev"), "dev new"),
        // A comment that sops would take for one more recipient.
        rotate("old ssh-comment", Some("old ssh"), "new ssh"),
        rotate("old ssh-comment", Some("old"), "new -ssh-comment"),
        // C2: a server that only the file names.
        rotate("old server", Some("old"), "new -server"),
        rotate("old server", Some("old server"), "undecided: server"),
        Case {
            servers: true,
            ..rotate("old server", Some("old server"), "new server")
        },
        // A cluster's key, which another rule names, or a recovery key.
        rotate("old prod", Some("old"), "undecided: leaves prod"),
        rotate("old safe", Some("old"), "undecided: leaves safe"),
        Case {
            drop: "prod",
            ..rotate("old prod", Some("old"), "new -prod")
        },
        // A file whose rule is for others.
        rotate("old", Some("prod"), "new other-rule"),
        rotate("old prod", Some("prod"), "new prod other-rule"),
        rotate("old ex", Some("prod"), "new -ex other-rule"),
        // Without a rule: those that some rule names stay, others are nobody's to decide.
        rotate("old prod", None, "new prod"),
        rotate("old ex", None, "undecided: unknown ex"),
        rotate("old ex", Some(""), "undecided: unknown ex"),
        Case {
            keep: "ex",
            ..rotate("old ex", None, "ex new")
        },
        Case {
            drop: "ex",
            ..rotate("old ex", None, "new -ex")
        },
        // PGP in another spelling, and cut short.
        rotate("old pgp", Some("old pgp"), "new pgp"),
        rotate("old pgp", Some("old pgp-short"), "undecided: unclear pgp"),
        // What only the working tree's rule says.
        Case {
            reviewed: Some("old"),
            ..rotate("old ex", Some("old ex"), "undecided: unreviewed ex")
        },
        Case {
            reviewed: Some("old"),
            accept: "ex",
            ..rotate("old ex", Some("old ex"), "ex new !ex")
        },
        Case {
            reviewed: Some("old ex"),
            ..rotate("old ex", Some("old ex"), "ex new")
        },
        // Files are to match their rules.
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new ex", Some("new dev"), "dev new -ex +dev")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("retired", Some("retired dev"), "dev new +dev")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new", Some("prod"), "undecided: other-rule")
        },
        Case {
            goal: NewRecipients::MatchRules,
            reviewed: Some("new"),
            ..rotate("new", Some("new dev"), "undecided: unreviewed dev")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new prod", Some("new"), "undecided: leaves prod")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new safe", Some("new"), "undecided: leaves safe")
        },
        Case {
            goal: NewRecipients::MatchRules,
            drop: "prod",
            ..rotate("new prod", Some("new"), "new -prod")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new pgp", Some("new pgp-short"), "undecided: unclear pgp")
        },
        // Without a rule there is nothing to match; but an old key goes.
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("new ex", None, "ex new")
        },
        Case {
            goal: NewRecipients::MatchRules,
            ..rotate("retired ex", None, "undecided: unknown ex")
        },
    ];
    for case in cases {
        let shown = decided(&names, &case);
        let what = format!("{:?} for {:?}", case.file, case.rule);
        assert_eq!(shown, case.expected, "{what}");
    }
}

fn decided(names: &Names, case: &Case) -> String {
    let consent = Consent {
        drop: names.readers(case.drop),
        keep: names.readers(case.keep),
        accept: names.readers(case.accept),
        asks: false,
        servers: if case.servers {
            Servers::load(None, Reader::vault(SERVER).server()).expect("nothing to read")
        } else {
            Servers::default()
        },
    };
    let held = [names.key("old"), names.key("new"), names.key("retired")];
    let old = [names.key("old"), names.key("retired")];
    let known = names.readers("old prod dev");
    let recovery = [names.key("safe")];
    let new = names.key("new");
    let policy = ReaderPolicy {
        goal: case.goal,
        held: &held,
        old: &old,
        new: &new,
        known: &known,
        recovery: &recovery,
        consent: &consent,
    };
    let rule = case.rule.map(|rule| names.group(rule));
    let reviewed = case.reviewed.map(|rule| names.group(rule));
    let rule = FileRule {
        readers: rule.as_ref(),
        place: Some(".sops.yaml:2:5"),
        reviewed: reviewed.as_ref(),
    };
    match policy.decide(&names.file(case.file), rule) {
        Ok(decision) => {
            let after: Vec<Reader> = decision.after.all().cloned().collect();
            let mut shown = names.shown(&after);
            for (sign, readers) in [
                ("-", &decision.leaving),
                ("+", &decision.joining),
                ("!", &decision.unreviewed),
            ] {
                for reader in readers {
                    let name = names.shown(std::slice::from_ref(reader));
                    shown.push_str(&format!(" {sign}{name}"));
                }
            }
            if decision.other_rule.is_some() {
                shown.push_str(" other-rule");
            }
            shown
        }
        Err(undecided) => {
            let (what, readers) = match &undecided {
                UndecidedReason::ClusterLeaves(readers) => ("leaves ", readers.as_slice()),
                UndecidedReason::UnknownReaders(readers) => ("unknown ", readers.as_slice()),
                UndecidedReason::Unreviewed(readers) => ("unreviewed ", readers.as_slice()),
                UndecidedReason::Unclear(readers) => ("unclear ", readers.as_slice()),
                UndecidedReason::OtherRule(_) => ("other-rule", &[][..]),
                UndecidedReason::Broken(_) => ("broken", &[][..]),
                UndecidedReason::Server(readers) => ("", readers.as_slice()),
            };
            format!("undecided: {what}{}", names.shown(readers))
        }
    }
}

/// One group cannot come to open what it took two for, by what the file says.
#[test]
fn groups_and_threshold_are_those_of_the_rule() {
    let names = Names::new();
    let text = format!(
        "a: x\nsops:\n  mac: ENC[AES256_GCM,data:x]\n  shamir_threshold: 1\n  key_groups:\n  - age:\n    - recipient: {}\n      enc: x\n  - age:\n    - recipient: {}\n      enc: x\n    - recipient: {}\n      enc: x\n",
        names.key("old"),
        names.key("dev"),
        names.key("ex")
    );
    let file = EncryptedFile::parse(Path::new("a.yaml"), text.as_bytes()).expect("encrypted");
    assert_eq!(file.metadata.readers().threshold, Some(1));
    let consent = Consent::default();
    let (held, new) = ([names.key("old")], names.key("new"));
    let policy = ReaderPolicy {
        goal: NewRecipients::ReplaceKey,
        held: &held,
        old: &held,
        new: &new,
        known: &[],
        recovery: &[],
        consent: &consent,
    };
    let rule = Readers {
        groups: vec![names.readers("old"), names.readers("dev")],
        threshold: Some(2),
    };
    let rule = FileRule {
        readers: Some(&rule),
        place: None,
        reviewed: None,
    };
    let decision = policy.decide(&file, rule).expect("decided");
    assert_eq!(decision.after.threshold, Some(2));
    let groups = decision.after.groups;
    assert_eq!(groups, [names.readers("new"), names.readers("dev")]);
    assert_eq!(decision.leaving, names.readers("ex"));
}
