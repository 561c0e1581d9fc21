//! Readers that only a pull request names: `edit` encrypts for none of them without a
//! person's consent.

use std::os::unix::fs::symlink;

use testkit::Run;

use super::Editing;
use super::readers::encrypt_for_secrets;
use crate::terminal::Terminal;
use crate::{assert_fails, keypair};

const NEW: &str = "apps/new-secret.yaml";
const OLD: &str = "old-secret.yaml";
const PGP: &str = "85D77543B3D624B63CEA9E6DBC17301B491B3F21";
const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const VAULT: &str = "https://vault.example.org/v1/transit/keys/k";

/// The rules of [`NEW`] on the remote's default branch, and a reader who is not among them.
struct Branch {
    editing: Editing,
    rules: String,
    stranger: String,
}

impl Branch {
    /// `rules` gets the cluster's recipient.
    fn new(prefix: &str, rules: impl Fn(&str) -> String) -> Self {
        let mut editing = Editing::new(prefix);
        let rules = rules(&editing.recipient());
        editing.world.write(".sops.yaml", &rules);
        let typed = editing.world.tmp().join("typed");
        let opened = editing.world.tmp().join("opened");
        editing.editor(&format!(
            "touch '{}'; [ ! -e '{1}' ] || cat '{1}' > \"$1\"",
            opened.display(),
            typed.display()
        ));
        let branch = Self {
            stranger: keypair(&editing.world).1,
            editing,
            rules,
        };
        branch.merge();
        branch
    }

    /// What is in the working tree is on the remote's default branch.
    fn merge(&self) {
        self.editing.commit();
        let main = ["update-ref", "refs/remotes/origin/main", "HEAD"];
        self.editing.git(&main);
    }

    /// Edits it; the text is a Secret.
    fn edit(&self, args: &[&str]) -> Run {
        let typed = self.editing.world.tmp().join("typed");
        std::fs::write(&typed, self.editing.secret()).expect("write");
        let run = self.editing.edit(args);
        std::fs::remove_file(typed).expect("removed");
        self.editing.assert_no_trace();
        run
    }

    /// It is refused before the editor opens, for this reader.
    #[track_caller]
    fn assert_refused(&self, args: &[&str], reader: &str) {
        let run = self.edit(args);
        let words = [
            "would be encrypted for",
            reader,
            "which cannot read it on origin/main yet (last fetch: ",
            "git diff origin/main",
            &format!("--accept-reader {}", quoted(reader)),
        ];
        assert_fails(&run, 1, &words);
        let opened = self.editing.world.tmp().join("opened");
        assert!(!opened.exists(), "the editor was opened");
    }

    #[track_caller]
    fn assert_saved(&self, args: &[&str]) {
        let run = self.edit(args);
        run.assert_code(0);
        let opened = self.editing.world.tmp().join("opened");
        std::fs::remove_file(opened).expect("the editor was opened");
        let text = self.editing.world.read(args[0]);
        assert!(text.contains("ENC[") && !text.contains(&self.editing.canary));
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.editing.world.path(name)).expect("removed");
    }
}

fn quoted(word: &str) -> String {
    match word.contains(' ') {
        true => format!("'{word}'"),
        false => word.to_owned(),
    }
}

fn rule(paths: &str, keys: &str) -> String {
    format!("  - path_regex: {paths}\n    encrypted_regex: ^(data|stringData)$\n{keys}")
}

fn age(keys: &[&str]) -> String {
    format!("    age: '{}'\n", keys.join(","))
}

fn plain_rules(own: &str) -> String {
    format!("creation_rules:\n{}", rule("secret", &age(&[own])))
}

#[test]
fn the_only_remote_is_what_was_reviewed_whatever_its_name_is() {
    let branch = Branch::new("upstream", plain_rules);
    let editing = &branch.editing;
    let url = ["remote", "add", "upstream", "https://git.example.org/r"];
    editing.git(&url);
    let here = "refs/remotes/upstream/main";
    editing.git(&["update-ref", here, "refs/remotes/origin/main"]);
    editing.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    let keys = age(&[&editing.recipient(), &branch.stranger]);
    let rules = format!("creation_rules:\n{}", rule("secret", &keys));
    editing.world.write(".sops.yaml", rules);
    let run = branch.edit(&[NEW]);
    let words = [
        branch.stranger.as_str(),
        "which cannot read it on upstream/main yet",
    ];
    assert_fails(&run, 1, &words);
}

#[test]
fn a_new_file_is_for_no_reader_that_only_the_working_tree_names() {
    let branch = Branch::new("pullrequest", plain_rules);
    let own = branch.editing.recipient();
    let ssh = crate::ssh_key(&branch.editing, "", "");
    let write = |text: String| branch.editing.world.write(".sops.yaml", text);
    // As they were reviewed.
    branch.assert_saved(&[NEW]);
    branch.remove(NEW);
    for (keys, reader) in [
        (age(&[&own, &branch.stranger]), branch.stranger.as_str()),
        (age(&[&branch.stranger]), &branch.stranger),
        (age(&[&own, &ssh]), ssh.as_str()),
        (
            format!("{}    pgp: {PGP}\n", age(&[&own])),
            &format!("PGP {PGP}"),
        ),
        (format!("{}    kms: {ARN}\n", age(&[&own])), ARN),
        (
            format!("{}    hc_vault_transit_uri: {VAULT}\n", age(&[&own])),
            VAULT,
        ),
    ] {
        write(format!("creation_rules:\n{}", rule("secret", &keys)));
        let servers = [
            "--allow-server",
            ARN,
            "--allow-server",
            "https://vault.example.org",
        ];
        branch.assert_refused(&[&[NEW], &servers[..]].concat(), reader);
        assert!(!branch.editing.world.path(NEW).exists());
    }
    // Another reader was accepted.
    let both = age(&[&own, &branch.stranger]);
    write(format!("creation_rules:\n{}", rule("secret", &both)));
    branch.assert_refused(&[NEW, "--accept-reader", &ssh], &branch.stranger);
    branch.assert_saved(&[NEW, "--accept-reader", &branch.stranger]);
    assert!(branch.editing.world.read(NEW).contains(&branch.stranger));
    branch.remove(NEW);
    // A config of its own, nearer to the file.
    write(branch.rules.clone());
    let nested = plain_rules(&branch.stranger);
    branch.editing.world.write("apps/.sops.yaml", nested);
    branch.assert_refused(&[NEW], &branch.stranger);
    branch.remove("apps/.sops.yaml");
    branch.assert_saved(&[NEW]);
}

/// What another rule was reviewed for says nothing of this file.
#[test]
fn rules_in_another_order_are_not_the_reviewed_ones() {
    let branch = Branch::new("order", |own| {
        let other = "age1qnaey0n40qcxfgazaa63v2ec50f2mhqnejch27r5rkj5mtpwge4shesgnr";
        let (first, second) = (rule("^apps/", &age(&[own])), rule("secret", &age(&[other])));
        format!("creation_rules:\n{first}{second}")
    });
    branch.assert_saved(&[NEW]);
    branch.remove(NEW);
    let body = branch
        .rules
        .strip_prefix("creation_rules:\n")
        .expect("it is");
    let at = body.rfind("  - path_regex").expect("a second rule");
    let swapped = format!("creation_rules:\n{}{}", &body[at..], &body[..at]);
    branch.editing.world.write(".sops.yaml", swapped);
    branch.assert_refused(
        &[NEW],
        "age1qnaey0n40qcxfgazaa63v2ec50f2mhqnejch27r5rkj5mtpwge4shesgnr",
    );
    // A rule that is not there, with a reader of another one.
    let narrow = branch.rules.replace("^apps/", "^else/");
    branch.editing.world.write(".sops.yaml", narrow);
    branch.assert_refused(
        &[NEW],
        "age1qnaey0n40qcxfgazaa63v2ec50f2mhqnejch27r5rkj5mtpwge4shesgnr",
    );
}

/// Who needed others to open a file gains it where fewer are needed.
#[test]
fn a_lowered_threshold_is_a_change_of_readers() {
    let (one, other) = {
        let world = crate::bare_world();
        (keypair(&world).1, keypair(&world).1)
    };
    let groups = |own: &str, threshold| {
        let groups = [own, &one, &other].map(|key| format!("      - age: [{key}]\n"));
        let keys = format!(
            "    shamir_threshold: {threshold}\n    key_groups:\n{}",
            groups.concat()
        );
        format!("creation_rules:\n{}", rule("secret", &keys))
    };
    let branch = Branch::new("threshold", |own| groups(own, 3));
    branch.assert_saved(&[NEW]);
    branch.remove(NEW);
    let own = branch.editing.recipient();
    branch.editing.world.write(".sops.yaml", groups(&own, 2));
    branch.assert_refused(&[NEW], &one);
    // No groups at all: each key opens the file alone.
    let flat = rule("secret", &age(&[&own, &one, &other]));
    let flat = format!("creation_rules:\n{flat}");
    branch.editing.world.write(".sops.yaml", flat);
    branch.assert_refused(&[NEW], &other);
}

/// Whatever names a config of the repository, commits change it; of one elsewhere they do not.
#[test]
fn a_config_that_was_named_counts_as_reviewed_only_outside_the_repository() {
    let branch = Branch::new("named", plain_rules);
    let theirs = plain_rules(&branch.stranger);
    let inside = branch.editing.world.write("ci/rules.yaml", &theirs);
    branch.assert_refused(&[NEW, "--config", "ci/rules.yaml"], &branch.stranger);
    let link = branch.editing.world.tmp().join("link.yaml");
    symlink(inside, &link).expect("link");
    let link = link.to_str().expect("UTF-8");
    branch.assert_refused(&[NEW, "--config", link], &branch.stranger);
    let outside = branch.editing.world.tmp().join("rules.yaml");
    std::fs::write(&outside, theirs).expect("write");
    branch.assert_saved(&[NEW, "--config", outside.to_str().expect("UTF-8")]);
    branch.remove(NEW);
    branch.merge();
    branch.assert_saved(&[NEW, "--config", "ci/rules.yaml"]);
}

/// A link of the repository is what it is on the branch, too.
#[test]
fn a_config_that_is_a_link_is_followed_on_the_branch() {
    let branch = Branch::new("links", plain_rules);
    let world = &branch.editing.world;
    let theirs = plain_rules(&branch.stranger);
    world.write("rules/ours.yaml", &branch.rules);
    world.write("staging/.sops.yaml", &theirs);
    std::fs::create_dir(world.path("apps")).expect("mkdir");
    symlink("../rules/ours.yaml", world.path("apps/.sops.yaml")).expect("link");
    // Those of other directories are read, too.
    for (directory, target) in [
        ("lost", "nothing"),
        ("out", "/etc/nothing"),
        ("loop", ".sops.yaml"),
    ] {
        std::fs::create_dir(world.path(directory)).expect("mkdir");
        let config = world.path(directory).join(".sops.yaml");
        symlink(target, config).expect("link");
    }
    branch.merge();
    branch.assert_saved(&[NEW]);
    branch.remove(NEW);
    branch.remove("apps/.sops.yaml");
    symlink("../staging/.sops.yaml", world.path("apps/.sops.yaml")).expect("link");
    branch.assert_refused(&[NEW], &branch.stranger);
    // The directory itself becomes a link.
    branch.remove("apps/.sops.yaml");
    std::fs::remove_dir(world.path("apps")).expect("removed");
    symlink("staging", world.path("apps")).expect("link");
    branch.assert_refused(&[NEW], &branch.stranger);
}

#[test]
fn nothing_is_asked_where_nothing_was_reviewed_or_the_file_has_the_reader() {
    let branch = Branch::new("control", plain_rules);
    let own = branch.editing.recipient();
    let both = age(&[&own, &branch.stranger]);
    let config = format!("creation_rules:\n{}", rule("secret", &both));
    // On the branch the file has the reader, and its rule does not.
    let joined = format!("{own},{}", branch.stranger);
    encrypt_for_secrets(&branch.editing, &joined, NEW, &branch.editing.secret());
    branch.merge();
    branch.editing.world.write(".sops.yaml", &config);
    branch.remove(NEW);
    branch.assert_saved(&[NEW]);
    branch.assert_refused(&["apps/other-secret.yaml"], &branch.stranger);
    // There is no default branch, and then no repository.
    branch
        .editing
        .git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    branch.assert_saved(&["apps/other-secret.yaml"]);
    std::fs::remove_dir_all(branch.editing.world.path(".git")).expect("removed");
    branch.assert_saved(&["apps/third-secret.yaml"]);
}

/// A pull request brings a rule and a file for it: what is typed goes under a new data key.
#[test]
fn a_file_that_was_not_reviewed_is_for_no_reader_that_was_not() {
    let branch = Branch::new("template", plain_rules);
    let own = branch.editing.recipient();
    let typed = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  a: b\n";
    encrypt_for_secrets(&branch.editing, &own, OLD, typed);
    branch.merge();
    // Only the rule: the file is not as it says, and nothing is asked.
    let both = age(&[&own, &branch.stranger]);
    let config = format!("creation_rules:\n{}", rule("secret", &both));
    branch.editing.world.write(".sops.yaml", &config);
    assert_fails(
        &branch.edit(&[OLD]),
        1,
        &["is encrypted otherwise than its rule"],
    );
    branch.assert_saved(&[OLD, "--keep-readers"]);
    assert!(!branch.editing.world.read(OLD).contains(&branch.stranger));
    // The file, too.
    let joined = format!("{own},{}", branch.stranger);
    encrypt_for_secrets(&branch.editing, &joined, OLD, typed);
    branch.assert_refused(&[OLD], &branch.stranger);
    branch.assert_saved(&[OLD, "--accept-reader", &branch.stranger]);
    // The file alone, which is edited as it is.
    branch.editing.world.write(".sops.yaml", &branch.rules);
    encrypt_for_secrets(&branch.editing, &joined, OLD, typed);
    branch.assert_refused(&[OLD, "--keep-readers"], &branch.stranger);
    // No rule is for it any more.
    let narrow = branch.rules.replace("secret", "^else/");
    branch.editing.world.write(".sops.yaml", narrow);
    branch.assert_refused(&[OLD], &branch.stranger);
    // One whose data key was reviewed is as safe as it was.
    branch.merge();
    branch.assert_saved(&[OLD]);
}

#[test]
fn a_terminal_is_asked_once_for_each_reader_before_the_editor_opens() {
    let branch = Branch::new("question", plain_rules);
    let own = branch.editing.recipient();
    let second = keypair(&branch.editing.world).1;
    let keys = age(&[&own, &branch.stranger, &second]);
    let config = format!("creation_rules:\n{}", rule("secret", &keys));
    branch.editing.world.write(".sops.yaml", config);
    let typed = branch.editing.world.tmp().join("typed");
    std::fs::write(&typed, branch.editing.secret()).expect("write");
    let opened = branch.editing.world.tmp().join("opened");
    for (answers, code) in [(["y", "n"], 1), (["y", "y"], 0)] {
        let mut terminal = Terminal::start(&branch.editing.setup, &format!("edit {NEW}"));
        for answer in answers {
            terminal.wait_for("On origin/main (last fetch: ");
            terminal.wait_for(&format!("cannot read {NEW} yet"));
            terminal.wait_for("Encrypt for it? [y/N]");
            assert!(!opened.exists(), "the editor is open");
            terminal.type_line(answer);
        }
        let (ended, seen) = terminal.end();
        assert_eq!(ended, Some(code), "{seen}");
        assert_eq!(seen.matches("[y/N]").count(), 2, "{seen}");
        assert_eq!(branch.editing.world.path(NEW).exists(), code == 0);
    }
    assert!(branch.editing.world.read(NEW).contains(&second));
}
