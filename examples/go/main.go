// Sends a text through wa-streams, and waits until it was sent: go run . HOST:PORT PHONE TEXT ID
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	time.AfterFunc(time.Minute, func() { log.Fatal("nothing was sent within a minute") })
	ctx, kafka, to, text, id := context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	request := map[string]any{"id": id, "to": to, "text": text}
	schema := must(jsonschema.NewCompiler().Compile("../../schemas/request.json"))
	must(request, schema.Validate(request)) // a wrong request is noticed here, and not as a dead letter
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-time.Second).UnixMilli()))
	client := must(kgo.NewClient(kgo.SeedBrokers(kafka), kgo.ConsumeTopics("wa.status"), start))
	// The recipient's number is the key, so the messages to one recipient stay in order.
	record := &kgo.Record{Topic: "wa.outbound", Key: []byte(to), Value: must(json.Marshal(request))}
	must(client.ProduceSync(ctx, record).First())
	for event := (struct{ ID, Status string }{}); event.ID != id || event.Status != "sent"; {
		for _, record := range client.PollRecords(ctx, 1).Records() {
			must(event, json.Unmarshal(record.Value, &event))
			if event.ID == id {
				fmt.Println(event.Status)
			}
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
