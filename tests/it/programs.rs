//! Nothing that a repository names is started, and git gets no key.
//!
//! The configuration of Git can be part of an archive that somebody unpacks, and a whole
//! bare repository, configuration and all, part of a pull request.

use testkit::World;

use crate::Setup;

/// All of Git's settings that name a program (git-config(1) of 2.39 to 2.52), or a place
/// where a program or another configuration is. `TRAP` is a program that leaves a trace;
/// `DIR` is a directory with such programs.
const SETTINGS: &str = r#"
[core]
    fsmonitor = TRAP fsmonitor
    hooksPath = DIR
    editor = TRAP editor
    pager = TRAP pager
    sshCommand = TRAP sshCommand
    askPass = TRAP askPass
    gitProxy = TRAP gitProxy
    alternateRefsCommand = TRAP alternateRefs
    virtualFilesystem = TRAP virtualFilesystem
    attributesFile = DIR/attributes
    untrackedCache = true
[sequence]
    editor = TRAP sequence
[pager]
    cat-file = TRAP pager-cat-file
    config = TRAP pager-config
    diff = TRAP pager-diff
    diff-index = TRAP pager-diff-index
    for-each-ref = TRAP pager-for-each-ref
    grep = TRAP pager-grep
    ls-files = TRAP pager-ls-files
    ls-tree = TRAP pager-ls-tree
    remote = TRAP pager-remote
    rev-parse = TRAP pager-rev-parse
    status = TRAP pager-status
[alias]
    cat-file = !TRAP alias
    diff-index = !TRAP alias
    grep = !TRAP alias
    ls-files = !TRAP alias
    rev-parse = !TRAP alias
[diff]
    external = TRAP diff-external
    submodule = log
    guitool = trap
    tool = trap
    autoRefreshIndex = true
[diff "trap"]
    command = TRAP diff-command
    textconv = TRAP textconv
    cachetextconv = true
[filter "trap"]
    clean = TRAP clean
    smudge = TRAP smudge
    required = true
[filter "trap.process"]
    process = TRAP process
    required = true
[merge]
    tool = trap
[merge "trap"]
    driver = TRAP merge-driver
[mergetool "trap"]
    cmd = TRAP mergetool
[difftool "trap"]
    cmd = TRAP difftool
[interactive]
    diffFilter = TRAP diffFilter
[credential]
    helper = !TRAP credential
[gpg]
    program = TRAP gpg
[gpg "openpgp"]
    program = TRAP gpg-openpgp
[gpg "x509"]
    program = TRAP gpg-x509
[gpg "ssh"]
    program = TRAP gpg-ssh
    defaultKeyCommand = TRAP gpg-key
[log]
    showSignature = true
[commit]
    gpgSign = true
[uploadpack]
    packObjectsHook = TRAP packObjects
[transfer]
    credentialsInUrl = allow
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[extensions]
    partialClone = origin
    worktreeConfig = true
[remote "origin"]
    url = ext::TRAP% remote
    vcs = trap
    uploadpack = TRAP uploadpack
    receivepack = TRAP receivepack
    proxy = ext::TRAP
    promisor = true
    partialclonefilter = blob:none
    fetch = +refs/heads/*:refs/remotes/origin/*
[submodule]
    recurse = true
[submodule "sub"]
    url = ext::TRAP% submodule
    update = !TRAP submodule-update
    active = true
[status]
    submoduleSummary = true
[trailer "trap"]
    command = TRAP trailer
    cmd = TRAP trailer
[hook "trap"]
    command = TRAP hook
    event = post-index-change
[trace2]
    eventTarget = DIR/traced
    normalTarget = DIR/traced
    perfTarget = DIR/traced
[browser "trap"]
    cmd = TRAP browser
[man "trap"]
    cmd = TRAP man
[help]
    browser = trap
    autocorrect = immediate
[web]
    browser = trap
[instaweb]
    httpd = TRAP instaweb
[sendemail]
    sendmailCmd = TRAP sendmail
    toCmd = TRAP sendmail
    ccCmd = TRAP sendmail
    headerCmd = TRAP sendmail
[imap]
    tunnel = TRAP imap
[init]
    templateDir = DIR
[gc]
    auto = 1
    recentObjectsHook = TRAP gc
[maintenance]
    auto = true
[include]
    path = DIR/included
[includeIf "gitdir:/"]
    path = DIR/included
"#;

const ATTRIBUTES: &str =
    "* diff=trap merge=trap filter=trap\n*.json filter=trap.process diff=trap\n";

/// A repository whose Git configuration is set with traps.
struct Trapped {
    setup: Setup,
}

impl std::ops::Deref for Trapped {
    type Target = Setup;
    fn deref(&self) -> &Setup {
        &self.setup
    }
}

impl Trapped {
    /// A repository with everything for which kb asks git: files of both kinds, one that
    /// was moved away from its rule, changed and new ones, a retired key, and a remote.
    fn new(prefix: &str) -> Self {
        let setup = Setup::initialized(prefix);
        let world = &setup.world;
        let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\nstringData:\n  a: b\n";
        setup.encrypt("apps/db-secret.yaml", secret);
        setup.encrypt("apps/old-secret.yaml", secret);
        world.write("apps/values.json", "{}\n");
        world.write("README.md", "A repository.\n");
        git(world, &["add", "--all"]);
        git(world, &["commit", "--quiet", "--message", "one"]);
        git(world, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
        git(world, &["mv", "apps/old-secret.yaml", "apps/moved.yaml"]);
        world.write("apps/new-secret.yaml", secret);
        git(world, &["add", "--intent-to-add", "--all"]);
        Self { setup }
    }

    /// Where the traps leave their traces.
    fn traces(&self) -> std::path::PathBuf {
        self.world.root().join("traces")
    }

    fn configuration(&self) -> String {
        let world = &self.world;
        let traces = self.traces();
        let trap = world.script(
            "trap",
            &format!("#!/bin/sh\necho \"$1\" >>'{}'\n", traces.display()),
        );
        let directory = world.root().join("traps");
        std::fs::create_dir_all(&directory).expect("mkdir");
        for hook in [
            "post-index-change",
            "post-checkout",
            "pre-auto-gc",
            "reference-transaction",
        ] {
            std::fs::copy(&trap, directory.join(hook)).expect("a hook");
        }
        std::fs::write(directory.join("attributes"), ATTRIBUTES).expect("write");
        let included = format!("[core]\n    fsmonitor = {} included\n", trap.display());
        std::fs::write(directory.join("included"), &included).expect("write");
        let text = SETTINGS.replace("TRAP", &trap.display().to_string());
        text.replace("DIR", &directory.display().to_string())
    }

    /// Changes what git knows of the files, so that it has to look into them.
    fn touch(&self) {
        for name in [
            "README.md",
            "apps/values.json",
            "apps/db-secret.yaml",
            "apps/moved.yaml",
        ] {
            let file = self.world.path(name);
            let file = std::fs::File::options().append(true).open(file);
            file.expect("a file")
                .set_modified(std::time::SystemTime::UNIX_EPOCH)
                .expect("a time");
        }
    }

    /// kb, in a directory of the repository.
    fn kb(&self, directory: &std::path::Path, arguments: &[&str]) -> testkit::Run {
        let mut command = self.command(arguments);
        command.current_dir(directory).env("EDITOR", "true");
        self.world.run(command)
    }

    #[track_caller]
    fn assert_no_trace(&self, what: &str) {
        let traces = std::fs::read_to_string(self.traces()).unwrap_or_default();
        assert_eq!(traces, "", "{what}");
        assert!(!self.world.root().join("traps/traced").exists(), "{what}");
    }
}

fn git(world: &World, arguments: &[&str]) {
    world.tool("git", arguments).assert_code(0);
}

const COMMANDS: &[&[&str]] = &[
    &["check"],
    &["check", "--staged"],
    &["check", "-o", "json"],
    &["status"],
    &["decrypt", "apps/db-secret.yaml"],
    &["edit", "apps/db-secret.yaml"],
    &["check", "--fix", "--staged"],
    &["check", "--fix"],
    &["init", "--use-existing"],
    &["init", "--force", "--yes", "--dry-run"],
    &["init", "--force", "--yes"],
    &["prune", "--dry-run"],
    &["prune"],
];

#[test]
fn no_setting_of_the_repository_makes_git_run_a_program() {
    let trapped = Trapped::new("programs");
    let repo = trapped.world.repo();
    let config = trapped.world.read(".git/config") + &trapped.configuration();
    trapped.world.write(".gitattributes", ATTRIBUTES);
    git(&trapped.world, &["add", ".gitattributes"]);
    trapped.world.write(".git/config", &config);
    let traps = trapped.world.root().join("traps");
    let included = std::fs::read_to_string(traps.join("included")).expect("text");
    trapped.world.write(".git/config.worktree", included);
    for arguments in COMMANDS {
        trapped.touch();
        let run = trapped.kb(&repo, arguments);
        assert_ne!(run.code, Some(2), "{}", run.err());
        trapped.assert_no_trace(&format!("{arguments:?}"));
        if *arguments == ["check"] {
            // It has compared the files with those of the commit.
            assert!(run.err().contains("apps/moved.yaml"), "{}", run.err());
            assert!(
                run.err().contains("in origin/main as apps/old-secret.yaml"),
                "{}",
                run.err()
            );
        }
    }
    // What is missing is not fetched.
    let object = trapped.world.tool("git", ["rev-parse", "HEAD:README.md"]);
    let object = object.out().trim().to_owned();
    let _ = std::fs::remove_file(trapped.traces());
    let path = format!(".git/objects/{}/{}", &object[..2], &object[2..]);
    std::fs::remove_file(trapped.world.path(path)).expect("an object");
    for arguments in COMMANDS {
        trapped.kb(&repo, arguments);
        trapped.assert_no_trace(&format!("{arguments:?}, an object is missing"));
    }
    // The traps are real.
    trapped.touch();
    trapped.world.tool("git", ["diff", "--quiet"]);
    let traces = std::fs::read_to_string(trapped.traces()).expect("traces");
    for trap in ["included", "clean"] {
        assert!(traces.contains(trap), "{traces}");
    }
}

/// A directory of a pull request that git would take for a repository.
#[test]
fn no_bare_repository_in_the_tree_makes_git_run_a_program() {
    let trapped = Trapped::new("bare");
    let world = &trapped.world;
    let config = format!(
        "[core]\n    repositoryformatversion = 1\n    bare = false\n    worktree = .\n{}",
        trapped.configuration()
    );
    world.write("deploy/config", config);
    world.write("deploy/HEAD", "ref: refs/heads/main\n");
    world.write("deploy/objects/info/keep", "");
    world.write("deploy/refs/heads/keep", "");
    let file = world.read("apps/db-secret.yaml");
    for name in ["deploy/apps/db-secret.yaml", "deploy/apps/README.md"] {
        world.write(name, &file);
    }
    git(world, &["add", "--all"]);
    git(world, &["commit", "--quiet", "--message", "two"]);
    git(world, &["clone", "--quiet", ".", "clone"]);
    let deploy = world.path("clone/deploy");
    for arguments in COMMANDS {
        let run = trapped.kb(&deploy, arguments);
        assert_ne!(run.code, Some(2), "{}", run.err());
        trapped.assert_no_trace(&format!("{arguments:?}"));
    }
    let run = trapped.kb(&deploy, &["check", "--staged"]);
    crate::assert_fails(
        &run,
        1,
        &[
            "cannot use bare repository",
            "start kb from the directory above",
        ],
    );
    // The trap is real.
    let mut status = world.tool_cmd("git", ["status", "--short"]);
    status.current_dir(&deploy);
    world.run(status);
    let traces = std::fs::read_to_string(trapped.traces()).expect("traces");
    assert!(traces.contains("included"), "{traces}");
}

/// Not even its own secrets are git's business.
#[test]
fn git_gets_no_key_and_no_token_from_the_environment() {
    let mut trapped = Trapped::new("git-env");
    let real = trapped.world.tool("sh", ["-c", "command -v git"]);
    let real = real.out().trim().to_owned();
    let seen = trapped.world.root().join("seen");
    let script = format!(
        "#!/bin/sh\nenv >>'{}'\nexec '{real}' \"$@\"\n",
        seen.display()
    );
    trapped.world.script("git", &script);
    let secrets = [
        "SOPS_AGE_KEY",
        "SOPS_AGE_KEY_FILE",
        "SOPS_AGE_KEY_CMD",
        "VAULT_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "AZURE_CLIENT_SECRET",
        "GITHUB_TOKEN",
        "KB_CANARY",
    ];
    for name in secrets {
        trapped.setup.world.env(name, "hunter2");
    }
    for arguments in COMMANDS {
        trapped.kb(&trapped.world.repo(), arguments);
    }
    let seen = std::fs::read_to_string(seen).expect("git was run");
    assert!(seen.contains("PATH="), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
}
