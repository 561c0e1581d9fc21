//! vim and neovim: no copy anywhere, but for a swap file beside the text.
//!
//! `-n` is no swap file, `-i NONE` no viminfo or shada; what a configuration asks for
//! besides is taken back once it has been read. Only then swap files are switched on, for
//! the text alone and in its own directory: given before, the directory would be
//! that of the configuration. Copies are made when a text is written, so that is when the
//! last word is said: an autocommand of the configuration may ask again, and ours comes
//! after it. `silent!`: a vim that was built without a feature does not know its options.
//! A vim without expressions passes over all that stands between `if` and `endif`, and has
//! no swap file then.

use super::Resume;

/// The arguments. `directory` is that of the text. A resumed text counts as
/// changed; if there is a swap file, vim recovers what is in it, and deletes it.
pub(super) fn arguments(directory: &str, resume: Option<&Resume<'_>>) -> Vec<String> {
    let directory_literal = literal(directory);
    // A buffer without a name, or of another file, may hold what was copied from the text.
    let switch = "if exists('g:kb_text') \
         | let &directory = escape(g:kb_text, ' ,\\') \
         | if resolve(expand('%:p:h')) ==# resolve(g:kb_text) | setlocal swapfile \
         | else | setlocal noswapfile | endif \
         | endif";
    // The registers would go to a file at the end; a configuration may ask for it late.
    let no_history = "silent! set viminfo= | silent! set viminfofile=NONE | \
         silent! set shada= | silent! set shadafile=NONE";
    let mut commands = vec![
        no_history.to_owned(),
        format!("silent! autocmd VimLeavePre * {no_history}"),
        format!(
            "if exists('+swapfile') | let g:kb_text = {directory_literal} \
             | let &directory = escape(g:kb_text, ' ,\\') \
             | setglobal noswapfile | silent! set shortmess+=A | endif"
        ),
        format!(
            "silent! autocmd \
             VimEnter,BufReadPost,BufNewFile,BufEnter,BufWritePre,FileWritePre,FileAppendPre * \
             silent! setlocal noundofile \
             | silent! set nobackup nowritebackup patchmode= | {switch}"
        ),
    ];
    // Where nothing was recovered, the text is as it was: the swap file stays.
    if let Some(swap) = resume.and_then(|resume| resume.swap?.to_str()) {
        let swap = literal(&format!("{directory}/{swap}"));
        commands.push(format!(
            "if exists('g:kb_text') | silent! recover | if &modified | call delete({swap}) \
             | endif | endif"
        ));
    }
    if resume.is_some() {
        commands.push("set modified".to_owned());
    }
    // From here on, vim makes swap files.
    commands.push(format!(
        "if exists('g:kb_text') | set updatecount=20 | {switch} | endif"
    ));
    let options = ["-n", "-i", "NONE"].map(str::to_owned).into_iter();
    let commands = commands.into_iter();
    options
        .chain(commands.flat_map(|command| ["-c".to_owned(), command]))
        .collect()
}

/// A string of vim's language.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
