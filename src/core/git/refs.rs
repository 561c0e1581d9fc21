//! Names of commits: branches, tags, remotes, worktrees, stashes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::history::Branch;
use super::{Git, GitError};

const REMOTES: &str = "refs/remotes/";
/// The branches that are taken for the default one of a remote, the first that is there.
const DEFAULT_BRANCHES: [&str; 3] = ["HEAD", "main", "master"];

/// The upstream of the branch that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// No branch is checked out.
    Detached,
    /// It has none.
    None,
    /// It is not in this clone: never fetched, or deleted there.
    Missing(String),
    /// It is here.
    Branch(Branch),
}

/// A working tree of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    /// Where it is.
    pub path: PathBuf,
    /// What is checked out there.
    pub head: Option<String>,
    /// Whether somebody has locked it: then its directory may be on a disk that is not
    /// there now.
    pub is_locked: bool,
}

impl Git {
    /// The repository with this directory of Git's own, such as that of a submodule that is
    /// not checked out.
    #[must_use]
    pub fn with_git_dir(&self, directory: &Path) -> Self {
        let mut environment = self.environment.clone();
        environment.push(("GIT_DIR".into(), directory.into()));
        Self {
            environment,
            directory: self.directory.clone(),
            root: self.root.clone(),
            loose: None,
        }
    }

    /// The repository of another working tree.
    #[must_use]
    pub fn at(&self, root: &Path) -> Self {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != "GIT_DIR");
        Self {
            environment,
            directory: root.to_owned(),
            root: root.to_owned(),
            loose: None,
        }
    }

    /// The top of the working tree that git takes for the one around its directory.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn top(&self) -> Result<PathBuf, GitError> {
        self.path_of(&["--show-toplevel"])
    }

    /// Whether git takes its directory for the top of a working tree: not where a `.git` is
    /// there that git does not read, and it goes further up.
    ///
    /// # Errors
    /// [`GitError::Start`]
    pub fn is_at_its_top(&self) -> Result<bool, GitError> {
        let real = |path: &Path| path.canonicalize().ok();
        match self.top() {
            Ok(top) => Ok(real(&top).is_some() && real(&top) == real(&self.directory)),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The directory that all working trees of the repository share.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn common_dir(&self) -> Result<PathBuf, GitError> {
        let path = self.path_of(&["--git-common-dir"])?;
        Ok(self.directory.join(path))
    }

    fn path_of(&self, arguments: &[&str]) -> Result<PathBuf, GitError> {
        let ended = self.run("rev-parse", arguments)?;
        let path = ended.output.stdout.strip_suffix(b"\n").unwrap_or_default();
        if ended.output.status.success() && !path.is_empty() {
            Ok(PathBuf::from(OsStr::from_bytes(path)))
        } else {
            Err(GitError::from(&ended))
        }
    }

    /// All branches, tags and stashes, by their short names: whatever leads to a commit.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn all_refs(&self) -> Result<Vec<Branch>, GitError> {
        let format = "--format=%(objectname) %(objecttype) %(*objectname) %(refname)";
        let places = ["refs/heads", "refs/remotes", "refs/tags"];
        let text = self.text_of("for-each-ref", &[&[format], &places[..]].concat())?;
        let mut refs: Vec<Branch> = text.lines().filter_map(named_commit).collect();
        refs.extend(self.stashes()?);
        Ok(refs)
    }

    /// What was stashed, with what was staged then, and untracked files.
    fn stashes(&self) -> Result<Vec<Branch>, GitError> {
        let there = self.run("rev-parse", &["--verify", "--quiet", "refs/stash"])?;
        if !there.output.status.success() {
            return Ok(Vec::new());
        }
        let options = ["--walk-reflogs", "--format=%gd %H %P", "refs/stash", "--"];
        let text = self.text_of("log", &options)?;
        let mut found = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            let commit = words.next();
            // The first parent is the commit that was checked out.
            let commits = commit.into_iter().chain(words.skip(1));
            found.extend(commits.map(|commit| Branch {
                name: name.to_owned(),
                commit: commit.to_owned(),
            }));
        }
        Ok(found)
    }

    /// The names of the remotes.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn remote_names(&self) -> Result<Vec<String>, GitError> {
        let text = self.text_of::<&str>("remote", &[])?;
        Ok(text.lines().map(ToOwned::to_owned).collect())
    }

    /// Whether a remote was fetched from: whether one of its branches is in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn was_fetched(&self, remote: &str) -> Result<bool, GitError> {
        let place = format!("{REMOTES}{remote}/");
        let found = self.run_ok("for-each-ref", &["--count=1", &place])?;
        Ok(!found.is_empty())
    }

    /// The default branch of a remote, as of the last fetch: its `HEAD`, else `main`, else
    /// `master`. `None` if none of them is in this clone.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn default_branch_of(&self, remote: &str) -> Result<Option<Branch>, GitError> {
        let names = DEFAULT_BRANCHES.map(|name| format!("{REMOTES}{remote}/{name}"));
        let mut arguments = vec!["--format=%(refname) %(objectname) %(symref)".to_owned()];
        arguments.extend(names.iter().cloned());
        let text = self.text_of("for-each-ref", &arguments)?;
        let found = names.iter().find_map(|name| {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")))?;
            let mut words = line.split(' ').skip(1);
            let commit = words.next()?.to_owned();
            let target = words.next().filter(|target| !target.is_empty());
            let name = target.unwrap_or(name);
            Some(Branch {
                name: name.strip_prefix(REMOTES).unwrap_or(name).to_owned(),
                commit,
            })
        });
        Ok(found)
    }

    /// The default branch of `origin`, or of the only remote, where that is called otherwise;
    /// see [`Self::default_branch_of`].
    ///
    /// # Errors
    /// [`GitError`]
    pub fn default_branch(&self) -> Result<Option<Branch>, GitError> {
        if let Some(branch) = self.default_branch_of("origin")? {
            return Ok(Some(branch));
        }
        match self.remote_names()?.as_slice() {
            [only] if only != "origin" => self.default_branch_of(only),
            _ => Ok(None),
        }
    }

    /// The upstream of the branch that is checked out.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn upstream(&self) -> Result<Upstream, GitError> {
        let ended = self.run("symbolic-ref", &["--quiet", "HEAD"])?;
        if ended.code() == Some(1) {
            return Ok(Upstream::Detached);
        }
        let branch = ended.line()?;
        let arguments = ["--format=%(refname) %(upstream)", &branch];
        let text = self.text_of("for-each-ref", &arguments)?;
        let found = text.lines().find_map(|line| {
            let (name, upstream) = line.split_once(' ')?;
            (name == branch && !upstream.is_empty()).then(|| upstream.to_owned())
        });
        let Some(upstream) = found else {
            return Ok(Upstream::None);
        };
        let short = upstream.strip_prefix(REMOTES).unwrap_or(&upstream);
        let short = short
            .strip_prefix("refs/heads/")
            .unwrap_or(short)
            .to_owned();
        let commit = format!("{upstream}^{{commit}}");
        let ended = self.run("rev-parse", &["--verify", "--quiet", &commit])?;
        if ended.code() == Some(1) {
            return Ok(Upstream::Missing(short));
        }
        Ok(Upstream::Branch(Branch {
            name: short,
            commit: ended.line()?,
        }))
    }

    /// When something was last fetched; `None` if that cannot be told.
    pub fn last_fetch(&self) -> Option<SystemTime> {
        let own = self.path_of(&["--git-path", "FETCH_HEAD"]).ok()?;
        let common = self.common_dir().ok()?.join("FETCH_HEAD");
        let times = [self.directory.join(own), common].map(|path| {
            let metadata = path.metadata().ok()?;
            metadata.modified().ok()
        });
        times.into_iter().flatten().max()
    }

    /// The working trees of the repository, this one among them.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn worktrees(&self) -> Result<Vec<Worktree>, GitError> {
        let list = self.run_ok("worktree", &["list", "--porcelain"])?;
        let mut worktrees: Vec<Worktree> = Vec::new();
        let mut is_bare = false;
        for line in list.split(|byte| *byte == b'\n') {
            let space = line.iter().position(|byte| *byte == b' ');
            let (word, rest) = line.split_at(space.unwrap_or(line.len()));
            let rest = rest.strip_prefix(b" ").unwrap_or_default();
            match (word, worktrees.last_mut()) {
                (b"worktree", _) => worktrees.push(Worktree {
                    path: OsStr::from_bytes(rest).into(),
                    head: None,
                    is_locked: false,
                }),
                (b"HEAD", Some(worktree)) => {
                    let commit = String::from_utf8_lossy(rest).into_owned();
                    // A branch without commits.
                    let is_unborn = commit.bytes().all(|byte| byte == b'0');
                    worktree.head = (!is_unborn).then_some(commit);
                }
                (b"locked", Some(worktree)) => worktree.is_locked = true,
                (b"bare", Some(_)) => is_bare = true,
                (b"", Some(_)) if is_bare => {
                    // No files belong to it.
                    worktrees.pop();
                    is_bare = false;
                }
                _ => {}
            }
        }
        Ok(worktrees)
    }
}

/// A line of [`Git::all_refs`]: what an annotated tag leads to counts.
fn named_commit(line: &str) -> Option<Branch> {
    let mut words = line.splitn(4, ' ');
    let (object, kind, inner, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let name = ["refs/heads/", REMOTES, "refs/"]
        .into_iter()
        .find_map(|start| name.strip_prefix(start))
        .unwrap_or(name);
    let commit = if kind == "tag" { inner } else { object };
    Some(Branch {
        name: name.to_owned(),
        commit: commit.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotated_tag_is_the_commit_that_it_leads_to() {
        for (line, name, commit) in [
            ("aa commit  refs/heads/a/b", "a/b", "aa"),
            ("aa commit  refs/remotes/o/a", "o/a", "aa"),
            ("aa tag bb refs/tags/v1", "tags/v1", "bb"),
        ] {
            let found = named_commit(line).expect(line);
            assert_eq!((&*found.name, &*found.commit), (name, commit));
        }
    }
}
