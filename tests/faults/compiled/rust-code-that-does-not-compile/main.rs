fn main() {
    printn("hello");
}
