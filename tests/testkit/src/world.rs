//! The closed world in which the real kb is run.

mod canary;
mod environment;
mod redact;
mod run;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::tools::Tools;
use environment::Environment;
use redact::Redactor;
pub use run::{Run, Spawned};

/// A temporary directory with a home, a `TMPDIR`, a Git repository and a
/// `bin`, and an environment that knows nothing else: no `KUBECONFIG`, no
/// `SOPS_*`, no `EDITOR` of the person at the keyboard reaches kb.
///
/// `bin` comes first in `PATH` and holds links to the real sops and
/// age-keygen; a test that takes one away, or puts a program of its own
/// there, changes what kb finds.
#[derive(Debug)]
pub struct World {
    _dir: TempDir,
    root: PathBuf,
    kb: PathBuf,
    environment: Environment,
    runtime: Option<TempDir>,
}

/// Memory that every Linux lets everyone write to.
const SHARED_MEMORY: &str = "/dev/shm";

impl World {
    /// A new world for the kb binary at `kb`.
    ///
    /// # Panics
    /// If sops, age-keygen, Git or a shell cannot be had.
    #[must_use]
    pub fn new(kb: &Path) -> Self {
        Self::new_in(&std::env::temp_dir(), kb)
    }

    /// As [`Self::new`], in a directory of one's choice.
    ///
    /// # Panics
    /// As [`Self::new`] does.
    #[must_use]
    pub fn new_in(parent: &Path, kb: &Path) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("kb-world-")
            .tempdir_in(parent)
            .unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        // Programs report resolved paths; a link on the way would make them
        // differ from what the test compares with.
        let root = dir.path().canonicalize().expect("it exists");
        for name in ["home", "tmp", "repo", "bin"] {
            fs::create_dir(root.join(name)).expect("the directory is new");
        }
        let tools = Tools::get();
        for (name, program) in [("sops", &tools.sops), ("age-keygen", &tools.age_keygen)] {
            symlink(program, root.join("bin").join(name)).expect("the directory is new");
        }
        let world = Self {
            _dir: dir,
            environment: Environment::closed(&root),
            root,
            kb: kb.to_owned(),
            runtime: None,
        };
        world
            .tool("git", ["init", "--quiet", "--initial-branch=main"])
            .assert_code(0);
        world
    }

    /// Sets a variable for every later run.
    pub fn env(&mut self, key: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.set(key, value.as_ref());
        self
    }

    /// Takes a variable away from every later run.
    pub fn env_remove(&mut self, key: &str) -> &mut Self {
        self.environment.remove(key);
        self
    }

    /// Sets `XDG_RUNTIME_DIR` to a directory in memory of this world's own.
    ///
    /// # Panics
    /// If there is no memory to write to.
    pub fn runtime_dir(&mut self) -> PathBuf {
        let dir = tempfile::Builder::new()
            .prefix("kb-run-")
            .tempdir_in(SHARED_MEMORY)
            .unwrap_or_else(|error| panic!("{SHARED_MEMORY}: {error}"));
        let path = dir.path().to_owned();
        self.env("XDG_RUNTIME_DIR", &path);
        self.runtime = Some(dir);
        path
    }

    /// The directory that holds all others.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Git working tree, in which programs are run.
    pub fn repo(&self) -> PathBuf {
        self.root.join("repo")
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The first directory of `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// A path in the repository.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.repo().join(relative)
    }

    /// Writes a file of the repository, with the directories above it.
    pub fn write(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        write(self.path(relative), text.as_ref())
    }

    /// The text of a file of the repository.
    ///
    /// # Panics
    /// If there is no such file or it is not UTF-8.
    pub fn read(&self, relative: impl AsRef<Path>) -> String {
        let file = self.path(relative);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// The bytes of a file of the repository.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn read_bytes(&self, relative: impl AsRef<Path>) -> Vec<u8> {
        let file = self.path(relative);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Writes a file below `HOME`, with the directories above it.
    pub fn write_home(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        write(self.home().join(relative), text.as_ref())
    }

    /// Writes `~/.kube/config`, where kb looks without being told.
    pub fn kubeconfig(&self, text: &str) -> PathBuf {
        self.write_home(".kube/config", text)
    }

    /// Puts an executable script into `bin`, such as an editor; its path. What was
    /// there before goes: a link to a real program, for instance.
    ///
    /// Another process writes it: a file that this one has open for writing
    /// while the thread of another test forks cannot be executed for a
    /// moment ("text file busy").
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let file = self.bin().join(name);
        let mut command = self.tool_cmd(
            "sh",
            ["-c", r#"rm -f "$1" && cat >"$1" && chmod 755 "$1""#, "sh"],
        );
        command.arg(&file);
        self.run_with_stdin(command, text.as_bytes()).assert_code(0);
        file
    }

    /// Runs kb in the repository, with nothing on stdin.
    pub fn kb<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        self.run(self.kb_cmd(args))
    }

    /// As [`World::kb`], with a text on stdin.
    pub fn kb_with_stdin<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stdin: impl AsRef<[u8]>,
    ) -> Run {
        self.run_with_stdin(self.kb_cmd(args), stdin.as_ref())
    }

    /// kb, ready to be run in the repository, stdin empty, stdout and stderr
    /// piped, for a test that varies these.
    pub fn kb_cmd<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        self.command(self.kb.as_os_str(), args)
    }

    /// Runs another program in this world, such as `git` or `sops`: one of
    /// its `PATH`, or an absolute path.
    pub fn tool<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Run {
        self.run(self.tool_cmd(program, args))
    }

    /// As [`World::kb_cmd`] for [`World::tool`].
    pub fn tool_cmd<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        self.command(program.as_ref(), args)
    }

    /// Runs a command made by this world, waits for it and checks what must
    /// hold for every run; see [`Run`].
    ///
    /// # Panics
    /// If it takes longer than a minute (it is killed then), was ended by a
    /// signal, or wrote to stderr what must never be there.
    pub fn run(&self, command: Command) -> Run {
        self.spawn(command).finish()
    }

    /// Starts a command made by this world, for a test that does something while it
    /// runs.
    pub fn spawn(&self, command: Command) -> Spawned {
        Spawned::new(command, None, self.redactor())
    }

    /// As [`World::run`], with a text on stdin.
    pub fn run_with_stdin(&self, mut command: Command, stdin: &[u8]) -> Run {
        command.stdin(Stdio::piped());
        Spawned::new(command, Some(stdin), self.redactor()).finish()
    }

    /// A text with all that differs from run to run replaced, as in
    /// [`Run::snapshot`].
    pub fn redact(&self, text: &str) -> String {
        self.redactor().redact(text)
    }

    /// The files of `HOME`, `TMPDIR` and the repository, `.git` included,
    /// that hold a text which must not be on a disk. A Git object, which is
    /// compressed, is looked into; it is reported as `.git/objects/<id>`.
    pub fn files_containing(&self, needle: &[u8]) -> Vec<PathBuf> {
        let mut found = canary::files_containing(&[self.home(), self.tmp(), self.repo()], needle);
        found.extend(canary::git_objects_containing(self, needle));
        found
    }

    /// The files in memory, this world's and everyone else's, that hold a text.
    pub fn memory_containing(&self, needle: &[u8]) -> Vec<PathBuf> {
        canary::files_containing(&[SHARED_MEMORY.into()], needle)
    }

    fn command<A: AsRef<OsStr>>(
        &self,
        program: &OsStr,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.repo())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.environment.apply(&mut command);
        command
    }

    fn redactor(&self) -> Redactor {
        Redactor::new(&self.root)
    }
}

fn write(file: PathBuf, text: &[u8]) -> PathBuf {
    let folder = file.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    file
}
