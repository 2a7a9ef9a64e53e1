// Goroutines: the same measurements. The process is bound to one processor, so one thread runs them.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const batch = 1000

func cpuTime() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func spawnJoin(batches int, yield bool) float64 {
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

// Go lets one run twice in a row every thirtieth time, which is not what is measured here.
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

// By channels without a buffer, since goroutines have no wakers.
func pingPong(times int) float64 {
	there, back := make(chan int), make(chan int)
	go func() {
		for number := range there {
			back <- number + 1
		}
	}()
	start := cpuTime()
	for i := 0; i < times; i++ {
		there <- i
		if <-back != i+1 {
			panic("another number came back")
		}
	}
	return float64(cpuTime()-start) / float64(times)
}

func sleeps(count int) float64 {
	begun, start := time.Now(), cpuTime()
	var group sync.WaitGroup
	group.Add(count)
	for i := 0; i < count; i++ {
		go func(number int) {
			time.Sleep(time.Duration(number*7919%1000+1) * time.Millisecond)
			group.Done()
		}(i)
	}
	group.Wait()
	cost := float64(cpuTime()-start) / float64(count)
	if time.Since(begun) < time.Second {
		panic("they have not slept")
	}
	return cost
}

// Page by page, since the short way of asking is late by some pages for each processor.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		var kib float64
		if count, _ := fmt.Sscanf(line, "Rss: %f kB", &kib); count == 1 {
			return kib * 1024
		}
	}
	panic("no Rss line in smaps_rollup")
}

func parked(count int) float64 {
	never := make(chan int)
	ready := 0
	before := resident()
	for i := 0; i < count; i++ {
		state := [64]byte{byte(i)}
		go func() {
			ready++
			<-never
			fmt.Println(state)
		}()
	}
	for ready < count {
		runtime.Gosched()
	}
	return (resident() - before) / float64(count)
}

func main() {
	runtime.GOMAXPROCS(1)
	switch os.Args[1] {
	case "spawn-join":
		fmt.Printf("ns=%f\n", spawnJoin(200, false))
	case "spawn-yield-join":
		fmt.Printf("ns=%f\n", spawnJoin(200, true))
	case "yield-2":
		fmt.Printf("ns=%f\n", yields(2, 250000))
	case "yield-1000":
		fmt.Printf("ns=%f\n", yields(1000, 500))
	case "ping-pong":
		fmt.Printf("ns=%f\n", pingPong(200000))
	case "sleeps":
		fmt.Printf("ns=%f\n", sleeps(300000))
	case "parked":
		fmt.Printf("resident_bytes=%f\n", parked(100000))
	default:
		fmt.Fprintln(os.Stderr, "this is not measured in Go")
		os.Exit(1)
	}
}
