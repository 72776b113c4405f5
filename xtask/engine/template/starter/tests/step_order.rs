//! The order of the steps in every environment. A change of it has to be accepted here, so that nobody makes one unnoticed.

#[test]
fn step_order() {
    ciao::testing::assert_step_order();
}
