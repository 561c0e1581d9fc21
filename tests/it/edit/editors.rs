//! The real editors on a terminal, each configured by someone who wants copies of
//! everything. Before kb runs one, it is run without kb: it must leave a copy
//! then, or the test shows nothing. With kb the terminal goes away first, while something
//! is typed and not saved.

use std::time::{Duration, Instant};

use super::Editing;
use super::signals::{send, until};
use crate::terminal::Terminal;

/// How long an editor may take for what it does in the background.
const PATIENCE: Duration = Duration::from_secs(20);

/// An editor, and how it is used.
struct Case {
    /// The command.
    command: &'static str,
    /// Its configuration: paths below the home directory, and texts.
    config: &'static [(&'static str, &'static str)],
    /// Directories that the configuration names.
    directories: &'static [&'static str],
    /// What is typed to put a line `# LINE` at the top; `LINE` stands for it.
    insert: &'static str,
    /// How long to wait then: for a copy that is made while someone types.
    pause: Duration,
    /// What is typed to save and close.
    close: &'static str,
    /// Whether it keeps what is not saved when its terminal goes away.
    recovers: bool,
}

const VIMRC: &str = "\
set nocompatible viminfo='100,<1000,s100,:100 viminfofile=~/.viminfo
set undofile undodir=~/copies/undo
set backup writebackup backupcopy=yes backupdir=~/copies/backup backupskip=
set swapfile directory=~/copies/swap updatecount=1 updatetime=100
autocmd BufReadPost,BufNewFile * setlocal undofile swapfile
autocmd BufWritePre * set backup writebackup undofile
autocmd VimLeave * if has('viminfo') | wviminfo | endif
";

const INIT_VIM: &str = "\
set shada='100,<1000,s100,:100 shadafile=~/copies/shada
set undofile undodir=~/copies/undo
set backup writebackup backupcopy=yes backupdir=~/copies/backup backupskip=
set swapfile directory=~/copies/swap updatecount=1 updatetime=100
autocmd BufReadPost,BufNewFile * setlocal undofile swapfile
autocmd BufWritePre * set backup writebackup undofile
autocmd VimLeave * wshada
";

const NANORC: &str =
    "set backup\nset backupdir \"{HOME}/copies/backup\"\nset historylog\nset positionlog\n";

const INIT_EL: &str = "\
(setq backup-directory-alist '((\".\" . \"~/copies/backup\"))
      backup-by-copying t
      backup-enable-predicate (lambda (_) t)
      auto-save-interval 20 auto-save-timeout 1
      auto-save-file-name-transforms '((\".*\" \"~/copies/swap/\" t))
      savehist-additional-variables '(kill-ring)
      inhibit-startup-screen t)
(savehist-mode 1)
(add-hook 'find-file-hook (lambda () (auto-save-mode 1)))
";

const MICRO_SETTINGS: &str = r#"{"backup": true, "permbackup": true, "saveundo": true, "savehistory": true, "savecursor": true}"#;

const VIM: Case = Case {
    command: "vim",
    config: &[(".vimrc", VIMRC)],
    directories: &["copies/undo", "copies/backup", "copies/swap"],
    // A register, an undone change, a search: all that viminfo keeps.
    insert: "gg\"ayyO# LINE\u{1b}/LINE\r",
    pause: Duration::from_millis(500),
    close: ":wq\r",
    recovers: true,
};

const NEOVIM: Case = Case {
    command: "nvim",
    config: &[(".config/nvim/init.vim", INIT_VIM)],
    ..VIM
};

const NANO: Case = Case {
    command: "nano",
    config: &[(".config/nano/nanorc", NANORC)],
    directories: &["copies/backup", ".local/share/nano"],
    // The line, and a search for it, which a history would keep.
    insert: "# LINE\r\u{17}LINE\r",
    pause: Duration::from_millis(300),
    close: "\u{f}\r\u{18}",
    recovers: true,
};

const EMACS: Case = Case {
    command: "emacs -nw",
    config: &[(".emacs.d/init.el", INIT_EL)],
    directories: &["copies/backup", "copies/swap"],
    insert: "# LINE\r",
    pause: Duration::from_millis(2500),
    close: "\u{18}\u{13}\u{18}\u{3}",
    recovers: true,
};

const MICRO: Case = Case {
    command: "micro",
    config: &[(".config/micro/settings.json", MICRO_SETTINGS)],
    directories: &[],
    insert: "# LINE\r",
    // It makes its copies every eight seconds.
    pause: Duration::from_millis(9500),
    close: "\u{13}\u{11}",
    recovers: false,
};

fn type_slowly(terminal: &mut Terminal, keys: &str) {
    // An escape key and what follows it at once would be another key.
    for key in keys.chars() {
        terminal.type_text(&key.to_string());
        if key.is_control() {
            std::thread::sleep(Duration::from_millis(150));
        }
    }
}

/// The editor leaves a copy somewhere when it runs by itself, and none with kb.
fn check(case: &Case) {
    let mut editing = Editing::new("real").with_secret();
    for directory in case.directories {
        std::fs::create_dir_all(editing.world.home().join(directory)).expect("mkdir");
    }
    for (path, text) in case.config {
        let home = editing.world.home();
        let text = text.replace("{HOME}", home.to_str().expect("UTF-8"));
        editing.world.write_home(path, text);
    }

    // nano, as root, looks there and not below HOME.
    for (variable, directory) in [
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
    ] {
        let path = editing.world.home().join(directory);
        editing.setup.world.env(variable, path);
    }

    // Without kb.
    let text = editing.world.tmp().join("db-secret.yaml");
    std::fs::write(&text, editing.secret()).expect("write");
    let line = format!("exec {} '{}'", case.command, text.display());
    let mut terminal = Terminal::run(&editing, &line);
    terminal.wait_for(&editing.canary);
    let alone = editing.canary.replace("canary", "alone");
    type_slowly(&mut terminal, &case.insert.replace("LINE", &alone));
    let leaves = || {
        let needles = [&alone, &editing.canary];
        let mut found = needles.map(|needle| editing.world.files_containing(needle.as_bytes()));
        let mut found = found.iter_mut().flatten();
        found.any(|path| *path != text)
    };
    // Under load, what it does in the background takes longer.
    let begun = Instant::now();
    while !leaves() && begun.elapsed() < case.pause {
        std::thread::sleep(Duration::from_millis(50));
    }
    let meanwhile = leaves();
    type_slowly(&mut terminal, case.close);
    assert_eq!(terminal.end().0, Some(0));
    assert!(meanwhile || leaves(), "{} leaves nothing", case.command);
    // The home directory is as it was.
    std::fs::remove_file(&text).expect("remove");
    let copies = editing.world.files_containing(editing.canary.as_bytes());
    let copies = copies
        .into_iter()
        .chain(editing.world.files_containing(alone.as_bytes()));
    for copy in copies {
        let _ = std::fs::remove_file(copy);
    }

    // With kb.
    editing.setup.world.env("EDITOR", case.command);
    let typed = editing.canary.replace("canary", "typed");
    let assert_none = |when: &str| {
        for needle in [&typed, &editing.canary] {
            let found = editing.world.files_containing(needle.as_bytes());
            assert!(found.is_empty(), "{}, {when}: {found:?}", case.command);
        }
    };
    let type_line = || {
        let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
        terminal.wait_for(&editing.canary);
        type_slowly(&mut terminal, &case.insert.replace("LINE", &typed));
        terminal
    };
    let terminal = type_line();
    std::thread::sleep(case.pause);
    assert_none("while open");
    drop(terminal);
    until(|| editing.in_memory().is_empty());
    assert_none("after a hang-up");
    let mut terminal = if case.recovers {
        assert_eq!(editing.drafts().len(), 1, "{}", case.command);
        let mut terminal = Terminal::start(&editing, "edit db-secret.yaml --resume");
        terminal.wait_for(&typed);
        terminal
    } else {
        editing.assert_no_trace();
        type_line()
    };
    std::thread::sleep(Duration::from_millis(300));
    assert_none("while open again");
    type_slowly(&mut terminal, case.close);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("Saved db-secret.yaml"), "{screen}");
    // The comment stands above all that is encrypted.
    let encrypted = editing.world.read("db-secret.yaml");
    assert!(
        encrypted.starts_with(&format!("# {typed}\n")),
        "{encrypted}"
    );
    let in_repository = editing.world.path("db-secret.yaml");
    let mut found = editing.world.files_containing(typed.as_bytes());
    found.retain(|path| *path != in_repository);
    assert!(found.is_empty(), "{}: {found:?}", case.command);
    editing.assert_no_trace();
}

#[test]
fn vim_leaves_no_copy_whatever_its_vimrc_asks_for() {
    check(&VIM);
}

#[test]
fn neovim_leaves_no_copy_whatever_its_configuration_asks_for() {
    check(&NEOVIM);
}

#[test]
fn nano_leaves_no_copy_whatever_its_nanorc_asks_for() {
    check(&NANO);
}

#[test]
fn emacs_leaves_no_copy_whatever_its_init_file_asks_for() {
    check(&EMACS);
}

#[test]
fn micro_leaves_no_copy_whatever_its_settings_ask_for() {
    check(&MICRO);
}

/// What vim has not saved is in its swap file, which only vim reads.
#[test]
fn unsaved_changes_of_vim_survive_a_kill_and_another_editor() {
    let mut editing = Editing::new("swap").with_secret();
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
    terminal.wait_for(&editing.canary);
    let typed = editing.canary.replace("canary", "typed");
    type_slowly(
        &mut terminal,
        &format!("ggO# {typed}, and more than vim keeps back\u{1b}"),
    );
    let directory = editing.memory.join(&editing.in_memory()[0]);
    let swap = directory.join("text/db-secret.yaml.swp");
    until(|| {
        let swap = std::fs::read(&swap).unwrap_or_default();
        swap.windows(typed.len())
            .any(|part| part == typed.as_bytes())
    });
    let editor = std::fs::read_to_string(directory.join("editor")).expect("recorded");
    let (editor, _) = editor.split_once(' ').expect("a pid");
    let status = std::fs::read_to_string(format!("/proc/{editor}/status")).expect("it runs");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    send(&editing, "KILL", parent.expect("a parent").trim());
    send(&editing, "KILL", editor);
    terminal.end();
    editing.secrets(&["drafts"]).assert_code(0);
    editing.assert_none_on_disk();
    assert_eq!((editing.in_memory().len(), editing.drafts().len()), (0, 1));
    // Another editor shows what was saved, and the swap file is not lost with it.
    editing.editor("sed -i s/admin/owner/ \"$1\"");
    let run = editing.edit(&["db-secret.yaml", "--resume"]);
    let err = run.assert_code(0).err();
    assert!(
        err.contains("cannot recover them") && err.contains("was not deleted"),
        "{err}"
    );
    assert_eq!(editing.drafts().len(), 1);
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml --resume");
    terminal.wait_for(&typed);
    type_slowly(&mut terminal, ":wq\r");
    assert_eq!(terminal.end().0, Some(0));
    assert!(editing.world.read("db-secret.yaml").contains(&typed));
    assert_eq!(editing.drafts().len(), 0);
}

/// What is copied from the text to another buffer is in no swap file.
#[test]
fn another_buffer_of_vim_has_no_swap_file() {
    let mut editing = Editing::new("buffer").with_secret();
    editing.world.write_home(".vimrc", VIMRC);
    for directory in VIM.directories {
        std::fs::create_dir_all(editing.world.home().join(directory)).expect("mkdir");
    }
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
    terminal.wait_for(&editing.canary);
    editing.world.write("notes", "notes of mine\n");
    let keys = ":%y\r:new\rVp:e! notes\rVp:new\rPihello, this is more than twenty keys\u{1b}";
    type_slowly(&mut terminal, keys);
    std::thread::sleep(Duration::from_millis(500));
    editing.assert_none_on_disk();
    drop(terminal);
    until(|| editing.in_memory().is_empty());
    editing.assert_none_on_disk();
}

/// vim lets Ctrl-C through to what it runs, and so to kb, which must go on.
#[test]
fn ctrl_c_in_a_command_of_vim_ends_that_command_only() {
    let mut editing = Editing::new("ctrlc").with_secret();
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
    terminal.wait_for(&editing.canary);
    let begun = Instant::now();
    type_slowly(&mut terminal, ":!echo begun; sleep 300\r");
    terminal.wait_for("begun");
    std::thread::sleep(Duration::from_millis(300));
    terminal.type_text("\u{3}");
    terminal.wait_for("ENTER");
    assert!(begun.elapsed() < PATIENCE, "sleep was not interrupted");
    type_slowly(&mut terminal, "\r:%s/admin/owner/\r:wq\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

/// The temporary file of a filter holds the text that it filters.
#[test]
fn a_filter_of_vim_works_in_memory() {
    let mut editing = Editing::new("filter").with_secret();
    let seen = editing.world.root().join("seen");
    editing.world.script(
        "look",
        &format!(
            "#!/bin/sh\ngrep -rlF {} /tmp/v* \"$HOME\" \"$TMPDIR\" > '{}' 2>/dev/null; cat",
            editing.canary,
            seen.display()
        ),
    );
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml");
    terminal.wait_for(&editing.canary);
    type_slowly(&mut terminal, ":%!look\r");
    terminal.wait_for("filtered");
    type_slowly(&mut terminal, ":wq\r");
    assert_eq!(terminal.end().0, Some(0));
    let seen = std::fs::read_to_string(seen).expect("seen");
    assert!(!seen.is_empty(), "the filter got no file");
    let memory = editing.memory.to_string_lossy();
    assert!(
        seen.lines().all(|path| path.starts_with(&*memory)),
        "{seen}"
    );
    editing.assert_no_trace();
}

/// With its stdout in a file, an editor would draw the plaintext there.
#[test]
fn an_editor_draws_on_the_terminal_also_if_stdout_is_a_file() {
    let mut editing = Editing::new("stdout").with_secret();
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit db-secret.yaml > drawn");
    terminal.wait_for(&editing.canary);
    editing.assert_none_on_disk();
    type_slowly(&mut terminal, ":%s/admin/owner/\r:wq\r");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(editing.world.read("drawn"), "");
    assert!(editing.plaintext("db-secret.yaml").contains("user: owner"));
    editing.assert_no_trace();
}

/// sops asks for the passphrase of a person's own key, when it decrypts and when it
/// encrypts again; once more for a new data key, where the file was not reviewed.
#[test]
fn a_key_with_a_passphrase_can_be_used() {
    let mut editing = Editing::new("phrase");
    let public = crate::ssh_key(&editing, "dev", "open sesame");
    editing.encrypt_for(&public, "s.yaml", &editing.secret());
    for (user, prompts) in [("owner", 3), ("viewer", 2)] {
        editing.editor(&format!("sed -i 's/user: .*/user: {user}/' \"$1\""));
        let mut terminal = Terminal::start(&editing, "edit s.yaml");
        for _ in 0..prompts {
            terminal.wait_for("passphrase");
            std::thread::sleep(Duration::from_millis(300));
            terminal.type_text("open sesame\r");
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("Saved s.yaml"), "{screen}");
        editing.assert_no_trace();
        editing.commit();
    }
}

/// The reason stands at the top, and the rest of the text below.
#[test]
fn invalid_text_is_mended_in_vim() {
    let mut editing = Editing::new("mend");
    editing.setup.world.env("EDITOR", "vim");
    let mut terminal = Terminal::start(&editing, "edit app-secret.yaml");
    terminal.wait_for("a new Secret");
    type_slowly(&mut terminal, ":3,$s/^# //\r:%s/\"\"/5432/\r:wq\r");
    terminal.wait_for("stringData.password is read as a number");
    type_slowly(&mut terminal, ":%s/5432/'5432'/\r:wq\r");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let plaintext = editing.plaintext("app-secret.yaml");
    assert!(plaintext.contains("password: \"5432\""), "{plaintext}");
    assert!(!plaintext.contains('#'), "{plaintext}");
}
