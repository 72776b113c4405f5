//! Splitting a command that is written as one string.

use ciao_base::variables::is_name;

/// What only a shell would understand, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub help: &'static str,
}

const LIST: &str = "a command is run without a shell: put in quotes what is meant as it stands";

const LINES: &str = "two commands are two steps, and a long one is written as a list of arguments";

const FOLDER: &str = "write the folder with `cwd`";
const ENV: &str = "set variables with `env`";
const PASSED: &str = "variables are there only if `env` or `pass_env` says so";
const ITSELF: &str = "run the program itself";
const DECIDES: &str = "what decides is a program, and a step ends when its program does";
const END: &str = "what must be done at the end is in `finally`";
const OVER: &str = "it would be over before anything else is run";

/// What a shell does itself, sorted: no file of this name can do it for a step.
const BUILTINS: [(&str, &str); 35] = [
    ("!", DECIDES),
    (".", ITSELF),
    ("[[", DECIDES),
    ("alias", ITSELF),
    ("builtin", ITSELF),
    ("case", DECIDES),
    ("cd", FOLDER),
    ("declare", ENV),
    ("eval", ITSELF),
    ("exec", ITSELF),
    ("exit", DECIDES),
    ("export", ENV),
    ("for", DECIDES),
    ("function", DECIDES),
    ("if", DECIDES),
    ("local", ENV),
    ("popd", FOLDER),
    ("pushd", FOLDER),
    ("read", OVER),
    ("readonly", ENV),
    ("return", DECIDES),
    ("set", ENV),
    ("shift", OVER),
    ("shopt", OVER),
    ("source", ITSELF),
    ("then", DECIDES),
    ("trap", END),
    ("typeset", ENV),
    ("ulimit", OVER),
    ("umask", OVER),
    ("unset", PASSED),
    ("until", DECIDES),
    ("wait", OVER),
    ("while", DECIDES),
    ("{", DECIDES),
];

/// Why a program can be none.
#[must_use]
pub fn builtin(program: &str) -> Option<Problem> {
    if let Ok(at) = BUILTINS.binary_search_by(|(name, _)| (*name).cmp(program)) {
        return Some(Problem { message: format!("`{program}` is understood by a shell only"), help: BUILTINS[at].1 });
    }
    (program.as_bytes().contains(&b' ') && !program.contains('/')).then(|| Problem {
        message: format!("no program is named {program:?}: a list is not split at blanks"),
        help: "write each argument by itself, or all as one string",
    })
}

/// Splits as a shell would, and refuses what only a shell would understand: nothing is ever run by one.
///
/// `${name}` is left as it is: it is replaced after splitting, so that a value stays one argument.
///
/// # Errors
/// If the string holds an operator, a line end between words, a glob, `~`, `$X`, an assignment, or a quote without its end.
pub fn split(text: &str) -> Result<Vec<String>, Problem> {
    let refuse = |what: String, help| Err(Problem { message: format!("{what} is understood by a shell only"), help });
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (Some('"') | None, '$') => {
                let word = word.get_or_insert_default();
                word.push('$');
                match chars.peek() {
                    Some('{') => {
                        for next in chars.by_ref() {
                            word.push(next);
                            if next == '}' {
                                break;
                            }
                        }
                    }
                    Some('$') => word.extend(chars.next()),
                    Some(next) if next.is_alphanumeric() || "_(@*#?!-".contains(*next) => {
                        let mut name = next.to_string();
                        chars.next();
                        while let Some(next) = chars.next_if(|next| is_name(&format!("{name}{next}"))) {
                            name.push(next);
                        }
                        return refuse(format!("`${name}`"), "write `${name}` for a value, `$$` for a dollar sign");
                    }
                    _ => {}
                }
            }
            (Some('"'), '\\') if chars.peek().is_some_and(|next| "\\\"$`".contains(*next)) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (None, '\\') => match chars.next() {
                // As a shell goes on with a line.
                Some('\n') => {}
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(Problem { message: "a backslash with nothing after it".into(), help: "remove it" }),
            },
            (None, ' ' | '\t' | '\n' | '\r') => {
                words.extend(word.take());
                if char == '\n' && !words.is_empty() && chars.clone().any(|char| !char.is_whitespace()) {
                    return refuse("the end of a line".to_owned(), LINES);
                }
            }
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[') => {
                return refuse(format!("`{char}`"), LIST);
            }
            (Some('"') | None, '`') => return refuse("a backtick".to_owned(), LIST),
            (None, '{') if expands(chars.clone()) => return refuse("`{…}`".to_owned(), LIST),
            (None, '~' | '#') if word.is_none() => return refuse(format!("`{char}` at the beginning of a word"), LIST),
            (None, '=') if words.is_empty() && word.as_deref().is_some_and(assigns) => {
                return refuse(format!("`{}=`", word.unwrap_or_default()), "set it with `env = { … }`");
            }
            _ => word.get_or_insert_default().push(char),
        }
    }
    if let Some(quote) = quote {
        return Err(Problem { message: format!("a `{quote}` without its end"), help: "close it" });
    }
    words.extend(word);
    Ok(words)
}

/// `A`, and `A+` of `A+=b`.
fn assigns(word: &str) -> bool {
    is_name(word.trim_end_matches('+'))
}

/// Whether what follows a brace makes several words of one: `{a,b}`, `{1..3}`.
fn expands(rest: impl Iterator<Item = char>) -> bool {
    let inner: String = rest.take_while(|char| !char.is_whitespace()).collect();
    inner.split_once('}').is_some_and(|(inner, _)| inner.contains(',') || inner.contains(".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = match split(text) {
            Ok(words) => words.iter().map(|word| format!("[{word}]")).collect(),
            Err(problem) => problem.message,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn words_and_quotes() {
        check("psql --file data.sql", "[psql][--file][data.sql]");
        check("  a  'b c'  \"d e\" f\\ g ", "[a][b c][d e][f g]");
        check("a '' \"\"", "[a][][]");
        check("a'b'\"c\"", "[abc]");
        check("\n  echo \"a\nb\"\t\n \n", "[echo][a\nb]");
        check("echo one \\\n  two", "[echo][one][two]");
        check("echo '*' '$X' \";\"", "[echo][*][$X][;]");
    }

    #[test]
    fn values_stay_one_word() {
        check("echo ${a} \"x ${b} y\" c${d}e", "[echo][${a}][x ${b} y][c${d}e]");
        check("echo $$ 5$", "[echo][$$][5$]");
        check("echo a${b c", "[echo][a${b c]");
    }

    #[test]
    fn what_only_a_shell_understands() {
        check("a | b", "`|` is understood by a shell only");
        check("a && b", "`&` is understood by a shell only");
        check("a > b", "`>` is understood by a shell only");
        check("ls *.sql", "`*` is understood by a shell only");
        check("ls {a,b}.sql", "`{…}` is understood by a shell only");
        check("seq {1..3}", "`{…}` is understood by a shell only");
        check("find -exec rm {} x{a} '{a,b}'", "[find][-exec][rm][{}][x{a}][{a,b}]");
        check("ls ~/x", "`~` at the beginning of a word is understood by a shell only");
        check("echo $HOME", "`$HOME` is understood by a shell only");
        check("echo $(date)", "`$(` is understood by a shell only");
        check("echo `date`", "a backtick is understood by a shell only");
        check("echo one\necho two", "the end of a line is understood by a shell only");
        check("echo one \r\n  echo two", "the end of a line is understood by a shell only");
        check("A=b cmd", "`A=` is understood by a shell only");
        check("A+=b cmd", "`A+=` is understood by a shell only");
        check("echo 'a", "a `'` without its end");
    }
}
