// Sends a text through wa-streams, and waits until it was sent. go run . HOST:PORT PHONE TEXT ID
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kafka, to, text, id := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	request, _ := json.Marshal(map[string]string{"id": id, "to": to, "text": text})
	schema, err := jsonschema.NewCompiler().Compile("../../schemas/request.json")
	check(err)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(request)))
	check(err)
	check(schema.Validate(document)) // a wrong request is noticed here, and not as a dead letter
	start := time.Now().Add(-time.Second).UnixMilli()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka), kgo.ConsumeTopics("wa.status"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(start)))
	check(err)
	defer client.Close()
	// The recipient's number is the key, so the messages to one recipient stay in order.
	check(client.ProduceSync(ctx, &kgo.Record{Topic: "wa.outbound", Key: []byte(to), Value: request}).FirstErr())
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			var event struct{ ID, Status string }
			if json.Unmarshal(record.Value, &event) == nil && event.ID == id {
				fmt.Println(event.Status)
				if event.Status == "sent" {
					os.Exit(0)
				}
			}
		})
	}
	log.Fatal("nothing was sent within a minute")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
