// Go: the same measurements. One processor runs all goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	batch   = 1000
	batches = 200
	parked  = 20000
)

func cpuTime() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func yields(goroutines, times int) float64 {
	total, latest, greedy := 0, -1, 0
	start := cpuTime()
	var group sync.WaitGroup
	group.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func(this int) {
			for j := 0; j < times; j++ {
				total++
				if latest == this {
					greedy++
				}
				latest = this
				runtime.Gosched()
			}
			group.Done()
		}(i)
	}
	group.Wait()
	cost := float64(cpuTime()-start) / float64(goroutines*times)
	if total != goroutines*times || greedy > total/20+2 {
		panic("the goroutines do not take turns")
	}
	return cost
}

func spawns(yield bool) float64 {
	results := make([]int, batch)
	one := func() {
		var group sync.WaitGroup
		group.Add(batch)
		for i := 0; i < batch; i++ {
			go func(number int) {
				if yield {
					runtime.Gosched()
				}
				results[number] = number
				group.Done()
			}(i)
		}
		group.Wait()
		sum := 0
		for i := range results {
			sum += results[i]
			results[i] = 0
		}
		if sum != batch*(batch-1)/2 {
			panic("a result is missing")
		}
	}
	for i := 0; i < batches/10; i++ {
		one()
	}
	start := cpuTime()
	for i := 0; i < batches; i++ {
		one()
	}
	return float64(cpuTime()-start) / float64(batch*batches)
}

func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	var size, pages int
	fmt.Sscan(string(text), &size, &pages)
	return float64(pages * os.Getpagesize())
}

func park() float64 {
	never := make(chan int)
	before := resident()
	for i := 0; i < parked; i++ {
		go func() { <-never }()
	}
	time.Sleep(100 * time.Millisecond)
	return (resident() - before) / parked
}

func main() {
	runtime.GOMAXPROCS(1)
	var figure float64
	switch os.Args[1] {
	case "yield-2":
		figure = yields(2, 500000)
	case "yield-1000":
		figure = yields(1000, 1000)
	case "spawn-join":
		figure = spawns(false)
	case "spawn-yield-join":
		figure = spawns(true)
	case "parked":
		figure = park()
	default:
		fmt.Println("nothing")
		return
	}
	fmt.Printf("figure=%f\n", figure)
}
