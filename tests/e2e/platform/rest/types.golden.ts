export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  SCHEMA: {
    Tables: {
      orders: {
        Row: {
          id: number
          paid: Database["SCHEMA"]["CompositeTypes"]["price"] | null
          person_id: number
          total: number | null
        }
        Insert: {
          id?: number
          paid?: Database["SCHEMA"]["CompositeTypes"]["price"] | null
          person_id: number
          total?: number | null
        }
        Update: {
          id?: number
          paid?: Database["SCHEMA"]["CompositeTypes"]["price"] | null
          person_id?: number
          total?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "orders_person_id_fkey"
            columns: ["person_id"]
            isOneToOne: false
            referencedRelation: "people"
            referencedColumns: ["id"]
          },
        ]
      }
      passports: {
        Row: {
          person_id: number
        }
        Insert: {
          person_id: number
        }
        Update: {
          person_id?: number
        }
        Relationships: [
          {
            foreignKeyName: "passports_person_id_fkey"
            columns: ["person_id"]
            isOneToOne: true
            referencedRelation: "people"
            referencedColumns: ["id"]
          },
        ]
      }
      people: {
        Row: {
          "e-mail": string | null
          id: number
          initial: string | null
          initials: string | null
          length: unknown | null
          mail: string | null
          meta: Json | null
          mood: Database["SCHEMA"]["Enums"]["mood"] | null
          moods: Database["SCHEMA"]["Enums"]["mood"][]
          name: string
        }
        Insert: {
          "e-mail"?: string | null
          id?: never
          initials?: never
          length?: unknown | null
          mail?: string | null
          meta?: Json | null
          mood?: Database["SCHEMA"]["Enums"]["mood"] | null
          moods?: Database["SCHEMA"]["Enums"]["mood"][]
          name: string
        }
        Update: {
          "e-mail"?: string | null
          id?: never
          initials?: never
          length?: unknown | null
          mail?: string | null
          meta?: Json | null
          mood?: Database["SCHEMA"]["Enums"]["mood"] | null
          moods?: Database["SCHEMA"]["Enums"]["mood"][]
          name?: string
        }
        Relationships: []
      }
    }
    Views: {
      paid: {
        Row: {
          id: number | null
          person_id: number | null
          twice: number | null
        }
        Insert: {
          id?: number | null
          person_id?: number | null
          twice?: never
        }
        Update: {
          id?: number | null
          person_id?: number | null
          twice?: never
        }
        Relationships: [
          {
            foreignKeyName: "orders_person_id_fkey"
            columns: ["person_id"]
            isOneToOne: false
            referencedRelation: "people"
            referencedColumns: ["id"]
          },
        ]
      }
      sums: {
        Row: {
          sum: number | null
        }
        Relationships: []
      }
    }
    Functions: {
      add: { Args: { a: number; b?: number }; Returns: number }
      buyers: { Args: { p_mood: Database["SCHEMA"]["Enums"]["mood"] }; Returns: Database["SCHEMA"]["Tables"]["people"]["Row"][] }
      echo: { Args: { "": Json }; Returns: Json }
      over:
        | { Args: never; Returns: undefined }
        | { Args: { x: string[] }; Returns: Database["SCHEMA"]["CompositeTypes"]["price"] }
      pairs: { Args: never; Returns: { a: number; b: Database["SCHEMA"]["Enums"]["mood"][] }[] }
    }
    Enums: {
      mood: "sad" | "so \"so\""
    }
    CompositeTypes: {
      price: {
        amount: number | null
        in: string | null
      }
    }
  }
}

type DefaultSchema = Database["SCHEMA"]
type Relations = DefaultSchema["Tables"] & DefaultSchema["Views"]
type Shape<Of, Member extends string> = Of extends { [_ in Member]: infer Found } ? Found : never

export type Tables<Name extends keyof Relations> = Shape<Relations[Name], "Row">
export type TablesInsert<Name extends keyof Relations> = Shape<Relations[Name], "Insert">
export type TablesUpdate<Name extends keyof Relations> = Shape<Relations[Name], "Update">
export type Enums<Name extends keyof DefaultSchema["Enums"]> = DefaultSchema["Enums"][Name]
export type CompositeTypes<Name extends keyof DefaultSchema["CompositeTypes"]> = DefaultSchema["CompositeTypes"][Name]

export const Constants = {
  SCHEMA: {
    Enums: {
      mood: ["sad", "so \"so\""],
    },
  },
} as const
