//! Running a plan: schedule (pure) ⇄ processes ─▶ events.

pub mod event;
