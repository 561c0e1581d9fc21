//! emacs: no copy anywhere, but for an auto-save file beside the text.
//!
//! What is given is evaluated after the person's own configuration and before the file is
//! opened; the hook comes after those of the configuration.

/// The arguments. `directory` is that of the text. A resumed text counts as changed: emacs
/// would not save it otherwise.
pub(super) fn arguments(directory: &str, is_resumed: bool) -> Vec<String> {
    let changed = if is_resumed {
        "(set-buffer-modified-p t)"
    } else {
        ""
    };
    let directory = format!(
        "\"{}/\"",
        directory.replace('\\', "\\\\").replace('"', "\\\"")
    );
    let settings = format!(
        "(progn
           (setq make-backup-files nil
                 auto-save-default nil
                 auto-save-interval 20
                 auto-save-list-file-prefix nil
                 create-lockfiles nil
                 savehist-additional-variables nil
                 undo-tree-auto-save-history nil)
           (with-eval-after-load 'savehist (fset 'savehist-save #'ignore))
           (when (fboundp 'auto-save-visited-mode) (auto-save-visited-mode -1))
           (when (bound-and-true-p savehist-mode) (savehist-mode -1))
           (when (bound-and-true-p desktop-save-mode) (desktop-save-mode -1))
           (when (bound-and-true-p global-undo-tree-mode) (global-undo-tree-mode -1))
           (add-hook 'find-file-hook
             (lambda ()
               (setq-local backup-inhibited t)
               (auto-save-mode -1)
               (when (and buffer-file-name
                          (file-equal-p (file-name-directory buffer-file-name) {directory}))
                 (setq buffer-auto-save-file-name
                       (concat {directory} \"#\" (file-name-nondirectory buffer-file-name) \"#\"))
                 {changed}))
             t))"
    );
    vec!["--eval".to_owned(), settings]
}
