//! Every environment has the steps that its snapshot says, in that order. The work is in `ciao::testing`.

#[path = "../xtask/src/tasks.rs"]
mod tasks;

#[test]
fn step_order() {
    ciao::assert_step_order!(tasks::all());
}
