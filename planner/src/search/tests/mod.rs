mod brute;
mod fixture;
mod joins;
mod optimum;
mod parallel;
mod speed;
