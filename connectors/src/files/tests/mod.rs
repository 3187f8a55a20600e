mod changes;
mod csv;
mod fixture;
mod parquet;
mod queries;
mod types;
