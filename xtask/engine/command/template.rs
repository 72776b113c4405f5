//! `init`, `upgrade`, `new`, `schema` and the completions: the template's, with what a command has around it.

use std::io::{Write, stderr};

use clap::CommandFactory;

use super::Session;
use crate::cli::Cli;
use crate::show::findings::printable;
use crate::template::{self, Refusal};

/// What is said while it is done goes to standard error.
fn told(session: &Session<'_>, work: impl FnOnce(&mut dyn Write) -> Result<(), Refusal>) -> u8 {
    refused(session, work(&mut Plain))
}

/// Standard error, for names of files that somebody chose and that are to act on no terminal.
struct Plain;

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        stderr().write_all(printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn refused(session: &Session<'_>, result: Result<(), Refusal>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(refusal) => {
            session.output.error(&refusal.to_string());
            refusal.code
        }
    }
}

pub fn init(session: &Session<'_>, args: &template::InitArgs) -> u8 {
    told(session, |out| template::init(args, out))
}

pub fn upgrade(session: &Session<'_>, args: &template::UpgradeArgs) -> u8 {
    told(session, |out| template::upgrade(args, out))
}

pub fn new(session: &Session<'_>, args: &template::NewArgs) -> u8 {
    told(session, |out| template::new(args, session.tasks, &session.root, out))
}

pub fn schema(session: &Session<'_>, args: &template::SchemaArgs) -> u8 {
    refused(session, template::schema(args).map(|text| session.output.print(&text)))
}

pub fn completions(session: &Session<'_>, args: &template::CompletionsArgs) -> u8 {
    session.output.print(template::completions(args));
    0
}

pub fn complete(session: &Session<'_>, args: &template::CompleteArgs) -> u8 {
    let mut command = Cli::command();
    command.build();
    session.output.print(&template::complete(args, &command, &session.root));
    0
}
