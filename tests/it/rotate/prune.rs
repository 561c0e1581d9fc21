//! `prune`: a retired key goes once nothing needs it.

use testkit::{Cluster, Run};

use super::{Rotating, go_on};
use crate::assert_fails;

impl Rotating {
    fn prune(&self, args: &[&str]) -> Run {
        self.secrets(&[&["prune"], args].concat())
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        let author = ["-c", "user.name=kb", "-c", "user.email=kb@example.org"];
        let run = self.world.tool("git", [&author, args].concat());
        run.assert_code(0).out().trim().to_owned()
    }

    /// Commits everything; the commit.
    pub(super) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all", "--force"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    fn assert_kept(&self, run: &Run, words: &[&str]) {
        let all = [&["something still needs the retired key", "--yes"], words].concat();
        assert_fails(run, 1, &all);
        assert!(self.entry("age.previous.agekey").is_some());
    }
}

#[test]
fn the_revision_that_is_deployed_keeps_the_key() {
    let rotating = Rotating::new("deployed");
    let cluster = rotating.cluster;
    cluster.install_kustomizations();
    let before = rotating.commit("before");
    let applied = |revision: &str| {
        let path = format!(
            "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations/apps/status",
            rotating.namespace
        );
        let status = serde_json::json!({"status": {"lastAppliedRevision": revision}});
        cluster.patch_merge(&path, &status);
    };
    let revision = format!("main@sha1:{before}");
    cluster.kustomization(&rotating.namespace, "apps", "sops-age", Some(&revision));
    let run = rotating.prune(&[]);
    assert!(
        run.assert_code(0).err().contains("holds no retired key"),
        "{}",
        run.err()
    );
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    let new = run.out().trim().to_owned();
    let after = rotating.commit("after");

    let user = format!("{}/apps", rotating.namespace);
    let run = rotating.prune(&[]);
    rotating.assert_kept(
        &run,
        &[
            &revision,
            &user,
            "apps/db-secret.yaml",
            "flux get kustomizations",
        ],
    );
    // A commit that is not in this clone may hold anything.
    applied("main@sha1:0123456789abcdef0123456789abcdef01234567");
    let run = rotating.prune(&[]);
    rotating.assert_kept(&run, &["is not in this clone", "git fetch"]);
    applied("latest@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    rotating.assert_kept(&rotating.prune(&[]), &["is not in this clone"]);

    applied(&format!("main@sha1:{after}"));
    let held = rotating.object();
    let run = rotating.prune(&["--dry-run"]);
    assert!(
        run.assert_code(0).err().contains(&rotating.old),
        "{}",
        run.err()
    );
    assert_eq!(rotating.object(), held);
    let run = rotating.prune(&[]);
    assert_eq!(run.assert_code(0).out(), "");
    assert_eq!(rotating.entry("age.previous.agekey"), None);
    assert_eq!(rotating.keys(), new);
    rotating.assert_open_with(&new);
    let run = rotating.prune(&[]);
    assert!(
        run.assert_code(0).err().contains("Nothing was changed"),
        "{}",
        run.err()
    );
}

#[test]
fn the_working_tree_keeps_the_key() {
    let rotating = Rotating::new("tree");
    rotating.cluster.install_kustomizations();
    let (name, _) = &rotating.files[0];
    let older = rotating.world.read(name);
    rotating.force(&[]).assert_code(0);
    let newer = rotating.world.read(name);
    rotating.world.write(name, &older);
    rotating.assert_kept(&rotating.prune(&[]), &[name, "init --use-existing"]);
    rotating.assert_kept(&rotating.prune(&["--dry-run"]), &[name]);
    rotating.world.write(name, newer);
    let nested = format!("creation_rules:\n- age: {}\n", rotating.old);
    rotating.world.write("apps/.sops.yaml", nested);
    rotating.assert_kept(&rotating.prune(&[]), &["apps/.sops.yaml"]);
    std::fs::remove_file(rotating.world.path("apps/.sops.yaml")).expect("remove");
    rotating
        .world
        .write("vendor/clone/.git/HEAD", "ref: refs/heads/main\n");
    rotating.world.write("vendor/clone/x.yaml", &older);
    rotating.assert_kept(&rotating.prune(&[]), &["vendor/clone"]);
    rotating.prune(&["--yes"]).assert_code(0);
    assert_eq!(rotating.entry("age.previous.agekey"), None);
}

/// What cannot be looked up may need it.
#[test]
fn what_kb_may_not_see_keeps_the_key() {
    let rotating = Rotating::new("blind");
    let cluster = rotating.cluster;
    cluster.install_kustomizations();
    rotating.force(&[]).assert_code(0);
    let admin = cluster.kubeconfig().to_yaml();
    let verbs = ["get", "update"];
    cluster.grant(
        &rotating.namespace,
        testkit::UserKind::User,
        "nobody",
        &verbs,
    );
    let user = serde_json::json!({"token": cluster.nobody_token()});
    rotating
        .world
        .kubeconfig(&cluster.kubeconfig().user(user).to_yaml());
    rotating.assert_kept(
        &rotating.prune(&[]),
        &["kb may not list Kustomizations", "the verb list on"],
    );
    // A key whose recipient kb cannot tell.
    rotating.world.kubeconfig(&admin);
    let quantum = rotating.world.tool("age-keygen", ["-pq"]);
    let quantum = quantum.out().lines().last().expect("a key").to_owned();
    let current = rotating.entry("age.agekey").expect("a key");
    rotating.put_key(&[("age.agekey", &current), ("age.previous.agekey", &quantum)]);
    let run = rotating.prune(&[]);
    assert_fails(&run, 1, &["a post-quantum key", "--yes"]);
    // The last keys do not go.
    rotating.put_key(&[("age.agekey", ""), ("age.previous.agekey", &current)]);
    let run = rotating.prune(&["--yes"]);
    assert_fails(&run, 1, &["no other keys than retired ones"]);
    assert!(rotating.entry("age.previous.agekey").is_some());
}

/// Whatever people have told git.
#[test]
fn gits_configuration_hides_nothing() {
    let rotating = Rotating::new("gitconfig");
    rotating.cluster.install_kustomizations();
    let before = rotating.commit("before");
    let revision = format!("main@sha1:{before}");
    let namespace = &rotating.namespace;
    rotating
        .cluster
        .kustomization(namespace, "apps", "sops-age", Some(&revision));
    rotating.force(&[]).assert_code(0);
    let after = rotating.commit("after");
    for (key, value) in [
        ("color.ui", "always"),
        ("color.grep", "always"),
        ("grep.lineNumber", "true"),
    ] {
        rotating.git(&["config", key, value]);
        rotating.assert_kept(&rotating.prune(&[]), &["apps/db-secret.yaml"]);
    }
    rotating.git(&["replace", &before, &after]);
    rotating.assert_kept(&rotating.prune(&[]), &["apps/db-secret.yaml"]);
    // Where git fails, it is git that is named.
    std::fs::write(rotating.world.path(".git/config"), "[broken").expect("write");
    let run = rotating.prune(&[]);
    rotating.assert_kept(&run, &["git cat-file failed"]);
    assert!(!run.err().contains("git fetch"), "{}", run.err());
}

/// Elsewhere there is nothing that could need it.
#[test]
fn a_repository_that_is_not_the_clusters_is_no_place_to_prune_from() {
    let rotating = Rotating::new("elsewhere");
    rotating.force(&[]).assert_code(0);
    let mut command = rotating.command(&["prune"]);
    command.current_dir(rotating.world.tmp());
    let run = rotating.world.run(command);
    assert_fails(
        &run,
        1,
        &[
            "nothing in this repository is for this cluster",
            "cd to the repository",
        ],
    );
    assert!(rotating.entry("age.previous.agekey").is_some());
    // A repository within is one that knows it.
    let run = rotating.world.tool("mkdir", ["outer"]);
    run.assert_code(0);
    let outer = rotating.world.path("outer");
    rotating
        .world
        .tool("git", ["init", "-q", "outer"])
        .assert_code(0);
    let text = rotating.world.read("apps/db-secret.yaml");
    rotating.world.write("outer/inner/db-secret.yaml", text);
    rotating
        .world
        .write("outer/inner/.git/HEAD", "ref: refs/heads/main\n");
    let mut command = rotating.command(&["prune", "--dry-run"]);
    command.current_dir(outer);
    rotating.world.run(command).assert_code(0);
}

/// A directory that nobody can read, such as a database's.
#[test]
fn what_cannot_be_read_keeps_the_key_unless_it_is_skipped() {
    use std::os::unix::fs::PermissionsExt;
    let rotating = Rotating::new("volume");
    rotating.force(&[]).assert_code(0);
    let volume = rotating.world.path("volume");
    std::fs::create_dir(&volume).expect("mkdir");
    let mode = |mode| std::fs::set_permissions(&volume, std::fs::Permissions::from_mode(mode));
    mode(0o000).expect("chmod");
    let prune = |arguments: &[&str]| {
        let kb = ["k", "secrets", "-n", &rotating.namespace, "prune"];
        crate::as_ordinary_user(&rotating.setup, &[&kb, arguments].concat())
    };
    rotating.assert_kept(&prune(&[]), &["cannot be read: volume", "--skip"]);
    prune(&["--skip", "volume"]).assert_code(0);
    mode(0o755).expect("chmod");
    assert_eq!(rotating.entry("age.previous.agekey"), None);
}

/// Another Secret that holds it is named.
#[test]
fn copies_of_a_retired_key_are_named() {
    let rotating = Rotating::new("prunecopy");
    let cluster = rotating.cluster;
    cluster.install_kustomizations();
    let copy = cluster.new_namespace("copy");
    let key = rotating.keys();
    cluster.put_secret(&copy, "sops-age", &[("age.agekey", key.as_bytes())]);
    cluster.kustomization(&copy, "apps", "sops-age", None);
    rotating.force(&["--only-this"]).assert_code(0);
    let run = rotating.prune(&[]);
    run.assert_code(0);
    let named = format!("the Secret {copy}/sops-age holds a retired key too");
    assert!(run.err().contains(&named), "{}", run.err());
}

/// Other branches are a warning.
#[test]
fn branches_that_are_behind_are_named() {
    let rotating = Rotating::new("branches");
    rotating.cluster.install_kustomizations();
    rotating.commit("before");
    rotating.git(&["branch", "feature"]);
    rotating.git(&["update-ref", "refs/remotes/origin/stale", "HEAD"]);
    rotating.force(&[]).assert_code(0);
    rotating.commit("after");
    let run = rotating.prune(&[]);
    run.assert_code(0);
    let warning = "warning: the tip of feature, origin/stale has files for a retired key";
    assert!(run.err().contains(warning), "{}", run.err());
    assert!(!run.err().contains("main,"), "{}", run.err());
}

#[test]
fn without_flux_only_the_working_tree_counts_and_kb_says_so() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let rotating = Rotating::of(cluster, "noflux");
    let run = rotating.force(&[]);
    rotating.assert_rotated(&run);
    assert!(!run.err().contains("Kustomization"), "{}", run.err());
    let run = rotating.prune(&[]);
    run.assert_code(0);
    assert!(
        run.err().contains("no Kustomizations of Flux"),
        "{}",
        run.err()
    );
    assert_eq!(rotating.entry("age.previous.agekey"), None);
}

#[test]
fn while_a_rotation_is_under_way_nothing_is_pruned() {
    let rotating = Rotating::new("underway");
    rotating.force(&[]).assert_code(0);
    let spawned = rotating.paused_at("begun", &[]);
    let run = rotating.prune(&["--yes"]);
    assert_fails(
        &run,
        1,
        &[
            "a rotation of the cluster's key is under way",
            "init --force",
        ],
    );
    let run = go_on(spawned);
    run.assert_code(0);
    assert_eq!(rotating.keys().lines().count(), 3);
}
