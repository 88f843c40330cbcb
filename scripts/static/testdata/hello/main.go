// Hello is a program to look at.
package main

func main() { println("hello") }
