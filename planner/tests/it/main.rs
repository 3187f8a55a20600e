//! Statements bound, optimised and run by DataFusion over tables in memory, compared with PostgreSQL's own answers.

mod cases;
mod expressions;
mod join_order;
mod local;
mod partial;
mod placement;
mod placements;
mod residency;
mod semantics_page;
