//! The editors that people use: what each leaves on a disk, and what prevents it.
//! The table in docs/editors.md says the same to people.

use std::path::Path;

use super::real_name;

/// An editor.
pub(super) struct EditorProfile {
    /// What the names of its programs begin with.
    names: &'static [&'static str],
    /// What keeps its copies off the disk.
    pub(super) measure: Measure,
    /// The options, each as good as the others, without which it does not wait
    /// until the file is closed. None: it always waits.
    pub(super) waits_with: &'static [&'static str],
}

/// What keeps copies off the disk.
pub(super) enum Measure {
    /// These options.
    Options(&'static [&'static str]),
    /// Options that name the directory of the text: see [`super::vim`].
    Vim,
    /// The same: see [`super::emacs`].
    Emacs,
    /// A configuration of its own: see [`super::nano`].
    NanoConfig,
    /// It leaves nothing but beside the file, where all is memory.
    Nothing,
    /// Nothing does: what it leaves.
    Warn(&'static str),
}

const MICRO: &[&str] = &[
    "-backup",
    "false",
    "-permbackup",
    "false",
    "-saveundo",
    "false",
    "-savehistory",
    "false",
];

const JOE: &[&str] = &["-nobackups", "-nodeadjoe", "--joe_state"];

const CODE: &str = "keeps a copy of every file that is changed and of every version that is saved \
     (Backups and User/History in its configuration)";

const fn terminal(names: &'static [&'static str], measure: Measure) -> EditorProfile {
    EditorProfile {
        names,
        measure,
        waits_with: &[],
    }
}

const fn window(
    names: &'static [&'static str],
    waits_with: &'static [&'static str],
    measure: Measure,
) -> EditorProfile {
    EditorProfile {
        names,
        measure,
        waits_with,
    }
}

/// The first entry that fits counts.
const KNOWN: &[EditorProfile] = &[
    window(
        &["nvim-qt"],
        &["--nofork"],
        Measure::Warn("keeps swap, undo and shada files as neovim is configured"),
    ),
    window(
        &["gvim", "mvim", "gview"],
        &["-f", "--nofork"],
        Measure::Vim,
    ),
    terminal(&["vim", "nvim", "rvim", "view", "vimx"], Measure::Vim),
    terminal(&["nano", "rnano"], Measure::NanoConfig),
    terminal(
        &["emacsclient"],
        Measure::Warn(
            "leaves backups and auto-save files as the Emacs that it talks to is configured",
        ),
    ),
    terminal(&["emacs"], Measure::Emacs),
    terminal(&["micro"], Measure::Options(MICRO)),
    terminal(
        &["joe", "jmacs", "jpico", "jstar", "rjoe"],
        Measure::Options(JOE),
    ),
    terminal(&["hx", "helix", "kak"], Measure::Nothing),
    terminal(
        &["ne"],
        Measure::Warn("leaves what is open in the working directory when it is ended"),
    ),
    terminal(
        &["ed"],
        Measure::Warn("leaves what is open in ed.hup when its terminal goes away"),
    ),
    terminal(
        &["nvi", "bsd-vi"],
        Measure::Warn("keeps what is needed for a recovery in /var/tmp"),
    ),
    window(
        &[
            "code", "codium", "vscodium", "cursor", "windsurf", "positron",
        ],
        &["--wait", "-w"],
        Measure::Warn(CODE),
    ),
    window(
        &["subl", "sublime_text"],
        &["--wait", "-w"],
        Measure::Warn("keeps files with unsaved changes in its session"),
    ),
    window(
        &["zed", "zeditor"],
        &["--wait", "-w"],
        Measure::Warn("keeps files with unsaved changes in its database"),
    ),
    window(
        &[
            "idea",
            "goland",
            "pycharm",
            "webstorm",
            "rustrover",
            "clion",
            "phpstorm",
            "rubymine",
        ],
        &["--wait"],
        Measure::Warn("keeps a copy of every version in its Local History"),
    ),
];

/// Programs that run another one, which stands among their arguments.
const RUNNERS: &[&str] = &[
    "command", "doas", "env", "ionice", "nice", "nohup", "setsid", "sudo", "time",
];

/// What is known of a program, by its name or the name of the file that it is a
/// link to; or of the one that it is told to run.
pub(super) fn find(program: &Path, arguments: &[String]) -> Option<&'static EditorProfile> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if RUNNERS.contains(&&*name) {
        return arguments.iter().find_map(|word| find(Path::new(word), &[]));
    }
    let of = |name: &str| KNOWN.iter().find(|known| known.is(name));
    of(&name).or_else(|| of(&real_name(program)))
}

impl EditorProfile {
    /// Whether a program of this name is it: `vim.basic` and `emacs-28.2` are,
    /// `vimium` and `vim-wrapper.sh` are not.
    fn is(&self, program: &str) -> bool {
        let of_the_same =
            |part: &str| VARIANTS.contains(&part) || part.bytes().all(|byte| byte.is_ascii_digit());
        let mut rests = self
            .names
            .iter()
            .filter_map(|name| program.strip_prefix(name));
        rests.any(|rest| rest.split(['.', '-', '_']).all(of_the_same))
    }
}

/// What the names of an editor's programs have behind it where there are several.
const VARIANTS: &[&str] = &[
    "athena", "basic", "gtk", "gtk2", "gtk3", "huge", "insiders", "lucid", "motif", "nox", "pgtk",
    "tiny", "x", "x11",
];

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests arrange files")]
mod tests {
    use super::*;

    #[test]
    fn an_editor_is_known_behind_what_runs_it() {
        let find = |program, words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            super::find(Path::new(program), &words).is_some()
        };
        assert!(find("/usr/bin/env", &["LANG=C", "nvim", "-R"]));
        assert!(find("nice", &["-n", "5", "/usr/bin/vim.basic"]));
        assert!(!find("my-wrapper", &["vim"]));
    }

    #[test]
    fn programs_are_known_by_their_names() {
        let measure = |name: &str| find(Path::new(name), &[]).map(|known| &known.measure);
        let is_vim = |name: &str| matches!(measure(name), Some(Measure::Vim));
        for name in ["vim", "/usr/bin/vim.basic", "vim.gtk3", "nvim", "vim9"] {
            assert!(is_vim(name), "{name}");
        }
        let directory = tempfile::tempdir().expect("tempdir");
        let vi = directory.path().join("vi");
        std::fs::write(directory.path().join("vim.basic"), "").expect("write");
        std::os::unix::fs::symlink("vim.basic", &vi).expect("link");
        assert!(is_vim(vi.to_str().expect("UTF-8")));
        assert!(matches!(measure("emacs-28.2"), Some(Measure::Emacs)));
        assert!(matches!(measure("emacsclient"), Some(Measure::Warn(_))));
        for name in ["codespell", "vimium", "vim.sh", "vim-wrapper", "ed.sh"] {
            assert!(find(Path::new(name), &[]).is_none(), "{name}");
        }
    }
}
