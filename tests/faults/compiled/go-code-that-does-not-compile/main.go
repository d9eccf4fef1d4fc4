package main

func main() {
	printn("hello")
}
