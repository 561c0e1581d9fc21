//! Which files of a commit need the keys, its submodules included.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::judge::{Judge, Verdict};
use crate::core::encrypted::{Format, LARGEST};
use crate::core::git::{EntryKind, Git, GitError, Objects};

/// Git itself goes no deeper (`core.maxTreeDepth`).
const DEEPEST: usize = 2048;

/// What a commit has for the keys: files, and what could not be looked at.
pub(super) type FileVerdicts = Vec<(PathBuf, Verdict)>;

/// Reads commits, each blob and tree once.
pub(super) struct Revisions<'a> {
    judge: &'a Judge,
    git: Git,
    objects: Objects,
    /// What is left out, from the top.
    skip: Vec<PathBuf>,
    /// What of it was there.
    skipped: BTreeSet<PathBuf>,
    blobs: HashMap<(String, Format), Verdict>,
    trees: HashMap<String, Rc<FileVerdicts>>,
    submodules: HashMap<PathBuf, Self>,
}

/// A tree with its paths from its own top, and whether it is the same wherever it is.
struct JudgedTree {
    seen: Rc<FileVerdicts>,
    is_anywhere: bool,
}

/// So many paths are kept for a tree. The same directory may be in it any number of
/// times.
const MOST_PATHS: usize = 10_000;

/// Adds what was seen; beyond [`MOST_PATHS`] only what says more of the keys.
fn add(seen: &mut FileVerdicts, more: impl Iterator<Item = (PathBuf, Verdict)>) {
    let mut known: Option<Verdict> = None;
    for (path, verdict) in more {
        if seen.len() < MOST_PATHS {
            seen.push((path, verdict));
            continue;
        }
        let known = known.get_or_insert_with(|| {
            let mut all = Verdict::default();
            seen.iter()
                .for_each(|(_, verdict)| all.add(verdict.clone()));
            all
        });
        if !known.covers(&verdict) {
            known.add(verdict.clone());
            seen.push((path, verdict));
        }
    }
}

impl<'a> Revisions<'a> {
    pub(super) fn new(git: Git, judge: &'a Judge, skip: Vec<PathBuf>) -> Result<Self, GitError> {
        Ok(Self {
            objects: git.objects()?,
            judge,
            git,
            skip,
            skipped: BTreeSet::new(),
            blobs: HashMap::new(),
            trees: HashMap::new(),
            submodules: HashMap::new(),
        })
    }

    /// Whether something that is left out was found, by its path from the top.
    pub(super) fn has_skipped(&self, path: &Path) -> bool {
        self.skipped.contains(path)
    }

    /// What the commit has for the keys; `None` if it is not in this clone.
    pub(super) fn look(&mut self, commit: &str) -> Result<Option<Rc<FileVerdicts>>, GitError> {
        if !self.git.has_commit(commit)? {
            return Ok(None);
        }
        let judged = self.tree(commit, Path::new(""), 0)?;
        Ok(Some(judged.seen))
    }

    fn tree(&mut self, id: &str, path: &Path, depth: usize) -> Result<JudgedTree, GitError> {
        let missing = |judge: &Judge| {
            let unclear = Verdict {
                unclear: judge.all(),
                ..Verdict::default()
            };
            Rc::new(vec![(PathBuf::new(), unclear)])
        };
        let is_touched = self.skip.iter().any(|skip| skip.starts_with(path));
        if !is_touched && let Some(seen) = self.trees.get(id) {
            return Ok(JudgedTree {
                seen: seen.clone(),
                is_anywhere: true,
            });
        }
        let tree = if depth < DEEPEST {
            self.objects.tree(id)?
        } else {
            None
        };
        let Some(tree) = tree else {
            return Ok(JudgedTree {
                seen: missing(self.judge),
                is_anywhere: false,
            });
        };
        let mut seen = FileVerdicts::new();
        let mut is_anywhere = !is_touched;
        for entry in tree.entries {
            let inner = path.join(&entry.name);
            if self.skip.contains(&inner) {
                self.skipped.insert(inner);
                continue;
            }
            let name = Path::new(&entry.name);
            match entry.kind {
                EntryKind::Link => {}
                EntryKind::File => {
                    let verdict = self.blob(&entry.id, name)?;
                    if !verdict.is_empty() {
                        seen.push((name.to_owned(), verdict));
                    }
                }
                EntryKind::Tree | EntryKind::Submodule => {
                    let found = if entry.kind == EntryKind::Tree {
                        let judged = self.tree(&entry.id, &inner, depth + 1)?;
                        is_anywhere &= judged.is_anywhere;
                        Some(judged.seen)
                    } else {
                        is_anywhere = false;
                        self.submodule(&inner, &entry.id)?
                    };
                    let found = found.unwrap_or_else(|| missing(self.judge));
                    let below = found.iter().map(|(path, verdict)| {
                        let is_itself = path.as_os_str().is_empty();
                        let path = if is_itself {
                            name.to_owned()
                        } else {
                            name.join(path)
                        };
                        (path, verdict.clone())
                    });
                    add(&mut seen, below);
                }
            }
        }
        let seen = Rc::new(seen);
        if is_anywhere {
            self.trees.insert(tree.id, seen.clone());
            self.trees.insert(id.to_owned(), seen.clone());
        }
        Ok(JudgedTree { seen, is_anywhere })
    }

    /// Which keys a blob needs that stands at this path.
    pub(super) fn blob(&mut self, id: &str, path: &Path) -> Result<Verdict, GitError> {
        let known = (id.to_owned(), Format::of(path));
        if let Some(verdict) = self.blobs.get(&known) {
            return Ok(verdict.clone());
        }
        let judge = self.judge;
        let judged = self.objects.blob(id, |size, reader| {
            if size > LARGEST {
                return judge.judge_large(reader);
            }
            let mut content = Vec::new();
            reader.read_to_end(&mut content)?;
            Ok(if judge.concerns(path, &content) {
                judge.judge(path, &content)
            } else {
                Verdict::default()
            })
        })?;
        // What is not in this clone may be anything.
        let verdict = judged.unwrap_or_else(|| Verdict {
            unclear: judge.all(),
            ..Verdict::default()
        });
        self.blobs.insert(known, verdict.clone());
        Ok(verdict)
    }

    /// What a commit of a submodule has for the keys; `None` if it is not in this clone.
    fn submodule(
        &mut self,
        path: &Path,
        commit: &str,
    ) -> Result<Option<Rc<FileVerdicts>>, GitError> {
        let known = match self.submodules.remove(path) {
            Some(mut known) => known.look(commit)?.map(|seen| (known, seen)),
            None => None,
        };
        let found = match known {
            Some(known) => Some(known),
            None => match self.repository_of(path, commit)? {
                None => None,
                Some(git) => {
                    let skip = self
                        .skip
                        .iter()
                        .filter_map(|skip| skip.strip_prefix(path).ok());
                    let skip = skip.map(Path::to_owned).collect();
                    let mut revisions = Self::new(git, self.judge, skip)?;
                    revisions.look(commit)?.map(|seen| (revisions, seen))
                }
            },
        };
        let Some((revisions, seen)) = found else {
            return Ok(None);
        };
        let skipped = revisions.skipped.iter().map(|skipped| path.join(skipped));
        self.skipped.extend(skipped);
        self.submodules.insert(path.to_owned(), revisions);
        Ok(Some(seen))
    }

    /// The repository of a submodule that has the commit: checked out at its path, or put
    /// away by git when it was there once.
    fn repository_of(&self, path: &Path, commit: &str) -> Result<Option<Git>, GitError> {
        let checked_out = self.git.root().join(path);
        if checked_out.join(".git").exists() {
            let git = self.git.at(&checked_out);
            if git.is_at_its_top()? && git.has_commit(commit)? {
                return Ok(Some(git));
            }
        }
        let common = self.git.common_dir()?;
        // Each working tree has its own.
        let worktrees = directories_in(&common.join("worktrees")).into_iter();
        let mut directories: Vec<PathBuf> = worktrees.map(|it| it.join("modules")).collect();
        directories.push(common.join("modules"));
        while let Some(directory) = directories.pop() {
            if directory.join("HEAD").is_file() && directory.join("objects").is_dir() {
                let git = self.git.with_git_dir(&directory);
                if git.has_commit(commit)? {
                    return Ok(Some(git));
                }
                // Its own submodules.
                directories.push(directory.join("modules"));
                continue;
            }
            // The name of a submodule may have slashes in it.
            directories.extend(directories_in(&directory));
        }
        Ok(None)
    }
}

/// The directories in one, without links.
fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    inner.map(|entry| entry.path()).collect()
}
