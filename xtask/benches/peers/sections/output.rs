//! A step that prints 100 MB, beside the bare command into the same kind of file, and with a pipe and `cat` between.

use crate::Effort;
use crate::measure::{Subject, in_turn};
use crate::report::{Goal, Section};
use crate::tools::{Ask, Tool, found};
use crate::work::{self, Graph, Shape};

/// `seq` to this number prints 100 MB.
const LAST: &str = "12640000";

pub fn measure(section: &mut Section, effort: Effort) {
    let folder = work::folder("output");
    let (Some(seq), Some(sh)) = (found("seq"), found("sh")) else { return };
    let graph = Graph::new(Shape::Chain, 1);
    let mut subjects: Vec<Subject> = vec![
        Subject::new("bare command", seq, &[LAST], &folder),
        Subject::new("bare | cat", sh, &["-c", &format!("seq {LAST} | cat")], &folder),
    ];
    subjects.extend(Tool::ALL.into_iter().filter_map(|tool| {
        // Both hold all of it or worse, for minutes.
        let slow = matches!(tool, Tool::Ansible | Tool::Pyinfra) && effort.quick;
        tool.subject(&graph, &["seq", LAST], &Ask::Run { jobs: 1 }, "output").filter(|_| !slow)
    }));
    // ciao and the bare command first: they are compared.
    subjects.swap(0, 2);
    subjects.swap(1, 2);
    let subjects: Vec<Subject> = subjects
        .into_iter()
        .enumerate()
        .map(|(number, subject)| subject.to_file(folder.join(format!("printed-{number}"))))
        .collect();
    let all = in_turn(&subjects, effort.rounds, effort.cap / 4);
    section.say(&format!(
        "`seq {LAST}` prints 100 MB. Each tool's own output goes into a file like that of the bare command; ciao also writes \
         the step's log."
    ));
    section.table(&all, "bare command");
    section.goals.push(Goal::ratio("100 MB of output to the bare command", all[0].ratio(&all[1]), 1.5));
    section.goals.push(Goal::at_most("100 MB of output: memory", all[0].peak_mb(), 30.0, "MB"));
}
