mod fakes;
mod flow;
mod limits;
mod results;
