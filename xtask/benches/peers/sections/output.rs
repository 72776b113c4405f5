//! A step that prints 100 MB, beside the bare command into the same kind of file, and with a pipe and `cat` between.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::report::{Goal, Section};
use crate::tools::{Ask, Tool, found};
use crate::work::{self, Graph, Shape};

/// `seq` to this number prints 100 MB in lines of 8 bytes.
const LAST: &str = "12640000";

pub fn measure(section: &mut Section, effort: Effort) {
    let folder = work::folder("output");
    let lines = folder.join("lines");
    write_lines(&lines).expect("the file can be written");
    let lines = lines.to_string_lossy();
    section.say(
        "Each tool's own output goes into a file like that of the bare command. ciao puts the step's id before every line, \
         masks, and also writes the step's log.",
    );
    one(section, effort, "100 MB in lines of 129 bytes", &["/usr/bin/head", "--bytes=100000000", &lines]);
    one(section, effort, "100 MB in lines of 8 bytes", &["/usr/bin/seq", LAST]);
}

/// 103 MB, in pieces: a child's peak memory is never counted below that of the process that started it.
fn write_lines(path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let line = "configured one more part of this application, as was asked for; ".repeat(2);
    (0..800_000).try_for_each(|_| writeln!(file, "{line}"))?;
    file.flush()
}

fn one(section: &mut Section, effort: Effort, what: &str, command: &[&str]) {
    let folder = work::folder("output-printed");
    let Some(sh) = found("sh") else { return };
    let graph = Graph::new(Shape::Chain, 1);
    let tools = Tool::ALL.into_iter().filter_map(|tool| {
        // Both take minutes.
        let slow = matches!(tool, Tool::Ansible | Tool::Pyinfra) && effort.quick;
        tool.subject(&graph, command, &Ask::Run { jobs: 1 }, "output-work").filter(|_| !slow)
    });
    let mut subjects: Vec<Subject> = tools.collect();
    subjects.insert(1, Subject::new("bare command", command[0], &command[1..], &folder));
    subjects.insert(2, Subject::new("bare | cat", sh, &["-c", &format!("{} | cat", command.join(" "))], &folder));
    let subjects: Vec<Subject> = subjects
        .into_iter()
        .enumerate()
        .map(|(number, subject)| subject.printing_to(folder.join(format!("printed-{number}"))))
        .collect();
    let all = in_turn(&subjects, effort.rounds, effort.cap / 4, effort);
    section.say(&format!("{what}, `{}`:", command[0].trim_start_matches("/usr/bin/")));
    section.table(&all, "bare command");
    section.goals.push(Goal::ratio(&format!("{what} to the bare command"), all[0].ratio(&all[1]), 1.5));
    section.goals.push(Goal::at_most(&format!("{what}: memory"), all[0].peak_mb(), 30.0, "MB"));
}
